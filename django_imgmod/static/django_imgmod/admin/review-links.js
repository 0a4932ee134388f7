/*
 * The addresses of pictures last for some minutes. Whoever comes back to a page after these gets fresh ones before they
 * look, from a site that asks anew whether they may; or is told what to do.
 */
(() => {
    "use strict";

    const desk = document.getElementById("imgmod-desk");
    if (!desk) {
        return;
    }

    const {TOKEN, send} = window.imgmodPost;
    // Half of it, so that a picture that is still to be loaded has time to be.
    const LASTS = Number(desk.dataset.linkSeconds) * 1000 / 2;
    const TRY_AGAIN = 30_000;
    const ROOTS = "#imgmod-card, #imgmod-grid";
    const LINK = /\/review\/media\/([^/]+)\/$/;
    const ATTRIBUTES = ["data-small", "data-large", "src", "href"];
    const began = Date.now();
    // When the addresses in a card were made, those in the page itself when it began.
    const made = new WeakMap();
    const running = new WeakMap();
    // Pictures that were loaded by an old address: perhaps a drawing that says so.
    const late = new WeakSet();
    let triedAt = 0;

    function isOld(root) {
        // Wherever the clock was moved to.
        return Math.abs(Date.now() - (made.get(root) ?? began)) > LASTS;
    }

    function linksIn(root) {
        return [root, ...root.querySelectorAll("[data-small], img, a")].flatMap((element) => ATTRIBUTES
            .map((name) => ({element, name, match: LINK.exec(element.getAttribute(name) || "")}))
            .filter(({match}) => match));
    }

    function isSeen(picture) {
        return picture.complete && picture.naturalWidth > 0 && !late.has(picture);
    }

    function complain(isWrong) {
        const list = document.getElementById("imgmod-problems");
        for (const item of list.querySelectorAll("[data-imgmod-pictures]")) {
            item.remove();
        }
        if (isWrong) {
            list.append(document.getElementById("imgmod-say-pictures").content.cloneNode(true));
        }
    }

    async function renew(root) {
        const places = linksIn(root);
        triedAt = Date.now();
        const answer = await send(desk.dataset.linksUrl, new URLSearchParams({
            [TOKEN]: desk.querySelector(`[name=${TOKEN}]`).value,
            query: desk.querySelector("[name=query]").value,
            links: [...new Set(places.map(({match}) => match[1]))].join(" "),
        }));
        complain(answer.kind !== "done");
        if (answer.kind !== "done") {
            return;
        }
        const {links} = JSON.parse(answer.text);
        for (const {element, name, match: [, token]} of places) {
            const link = links[token];
            if (link && !(name === "src" && isSeen(element))) {
                late.delete(element);
                element.setAttribute(name, link);
            }
        }
        made.set(root, Date.now());
    }

    /** Call as soon as the addresses around an element are good, or cannot be made so; at once, where they are. */
    function whenFresh(element, call) {
        const root = element.closest(ROOTS);
        if (!root || !isOld(root)) {
            call();
            return;
        }
        if (!running.has(root)) {
            running.set(root, renew(root).finally(() => running.delete(root)));
        }
        running.get(root).then(call);
    }

    /** What comes into view by scrolling, or is opened by a link, has to be good before. */
    function anticipate() {
        const root = desk.querySelector(ROOTS);
        if (root && !document.hidden && Date.now() - triedAt > TRY_AGAIN) {
            whenFresh(root, () => {});
        }
    }

    for (const name of ["focus", "keydown", "pointerdown", "pointermove", "scroll"]) {
        window.addEventListener(name, anticipate, {passive: true});
    }
    document.addEventListener("visibilitychange", anticipate);
    desk.addEventListener("load", ({target}) => {
        const root = target.closest(ROOTS);
        if (root && isOld(root)) {
            late.add(target);
        }
    }, true);
    document.addEventListener("imgmod:loaded", (event) => made.set(event.detail, Date.now()));

    window.imgmodLinks = {whenFresh};
})();
