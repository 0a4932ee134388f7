/*
 * Keeps the panels under image fields up to date until nothing will change any more. One request at a time, however
 * many panels there are; less and less often; none while nobody looks.
 */
(() => {
    "use strict";

    const HEADER = "X-Imgmod-Panel";
    const PARTS = ["status", "more", "appeal"];
    const FIRST_DELAY = 2_000;
    const LONGEST_DELAY = 30_000;
    const GROWTH = 1.5;
    // Whoever still looks at the page then may load it again.
    const LONGEST_TIME = 30 * 60_000;
    const LONGEST_REQUEST = 20_000;

    let delay = FIRST_DELAY;
    let spent = 0;
    let timer = null;
    let isAsking = false;

    function unsettled() {
        return [...document.querySelectorAll("[data-imgmod-panel]:not([data-imgmod-settled])")];
    }

    function plan(wait) {
        if (timer === null && !isAsking && !document.hidden && spent < LONGEST_TIME && unsettled().length) {
            timer = setTimeout(askForAll, wait);
        }
    }

    async function askForAll() {
        timer = null;
        isAsking = true;
        spent += delay;
        delay = Math.min(delay * GROWTH, LONGEST_DELAY);
        for (const panel of unsettled()) {
            if (!document.hidden) {
                await askFor(panel);
            }
        }
        isAsking = false;
        plan(delay);
    }

    /** What goes wrong now may go well next time; only what is not there any more, or not for this user, is settled. */
    async function askFor(panel) {
        try {
            const answer = await fetch(panel.dataset.imgmodPanel, {
                redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(LONGEST_REQUEST),
            });
            const text = await answer.text();
            if (answer.ok && answer.headers.has(HEADER)) {
                update(panel, elementOf(text));
            } else if (answer.status === 403 || answer.status === 404) {
                panel.dataset.imgmodSettled = "";
            }
        } catch {
            // No network, or no answer in time.
        }
    }

    function elementOf(text) {
        const template = document.createElement("template");
        template.innerHTML = text;
        return document.importNode(template.content, true).firstElementChild;
    }

    function partOf(panel, name) {
        return panel.querySelector(`[data-imgmod-part="${name}"]`);
    }

    function update(panel, newer) {
        for (const name of PARTS) {
            // What says the same is left alone: whatever changes in a live region is read out.
            if (!partOf(panel, name).isEqualNode(partOf(newer, name))) {
                replaceContent(panel, partOf(panel, name), partOf(newer, name));
            }
        }
        panel.className = newer.className;
        if ("imgmodSettled" in newer.dataset) {
            panel.dataset.imgmodSettled = "";
        }
    }

    function replaceContent(panel, part, newer) {
        const focused = part.contains(document.activeElement) ? document.activeElement.dataset.imgmodAction : null;
        part.replaceChildren(...newer.childNodes);
        if (focused) {
            // The keyboard stays where it was, or at least near.
            const again = part.querySelector(`[data-imgmod-action="${focused}"]`);
            if (!again) {
                panel.tabIndex = -1;
            }
            (again || panel).focus();
        }
    }

    document.addEventListener("visibilitychange", () => {
        if (document.hidden) {
            clearTimeout(timer);
            timer = null;
        } else {
            plan(0);
        }
    });
    if (document.readyState === "loading") {
        document.addEventListener("DOMContentLoaded", () => plan(delay));
    } else {
        plan(delay);
    }
})();
