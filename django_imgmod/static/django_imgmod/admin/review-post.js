/*
 * How the queue at the desk talks to the site. Whoever has logged in again meanwhile goes on with another token.
 */
(() => {
    "use strict";

    const HEADER = "X-Imgmod-Desk";
    const TOKEN = "csrfmiddlewaretoken";

    /**
     * Return what became of a POST: "done", "returned" with the reason among the parts, or why it did not arrive. What a
     * person did outlives the page. What asks for something must not: a card would be claimed for a page that is gone.
     */
    async function send(url, body, {outlives = false, isAgain = false} = {}) {
        let answer = null;
        let text = "";
        try {
            answer = await fetch(url, {
                method: "POST", body, headers: {[HEADER]: "parts"}, redirect: "manual", keepalive: outlives,
            });
            text = await answer.text();
        } catch {
            return {kind: "offline"};
        }
        if (answer.type === "opaqueredirect") {
            return {kind: "login"};
        }
        if (answer.status >= 500) {
            return {kind: "offline"};
        }
        if (answer.headers.has(HEADER)) {
            return {kind: answer.ok || answer.status === 409 ? "done" : "returned", parts: parse(text), text};
        }
        // Whoever has logged in again has another token.
        const token = isAgain ? null : await freshToken();
        if (token === null) {
            return {kind: "refused"};
        }
        body.set(TOKEN, token);
        return send(url, body, {outlives, isAgain: true});
    }

    async function freshToken() {
        try {
            const text = await (await fetch(location.href, {redirect: "manual"})).text();
            const page = new DOMParser().parseFromString(text, "text/html");
            const {value} = page.querySelector(`#imgmod-desk [name=${TOKEN}]`);
            for (const field of document.querySelectorAll(`#imgmod-desk [name=${TOKEN}]`)) {
                field.value = value;
            }
            return value;
        } catch {
            return null;
        }
    }

    /** Make elements of what the site's own templates wrote. They belong to this page: their pictures begin to load. */
    function parse(text) {
        const template = document.createElement("template");
        template.innerHTML = text;
        return document.importNode(template.content, true);
    }

    window.imgmodPost = {TOKEN, parse, send};
})();
