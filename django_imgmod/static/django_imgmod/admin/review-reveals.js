/*
 * How many pictures were revealed: told to the site now and then, which may propose a break.
 */
(() => {
    "use strict";

    const desk = document.getElementById("imgmod-desk");
    if (!desk || !desk.dataset.revealedUrl) {
        return;
    }

    const {TOKEN, send} = window.imgmodPost;
    const AFTER = 4000;
    let count = 0;

    function report() {
        const token = desk.querySelector(`[name=${TOKEN}]`).value;
        const body = new URLSearchParams({[TOKEN]: token, query: desk.dataset.place, count});
        count = 0;
        return body;
    }

    async function tell() {
        if (!count) {
            return;
        }
        const told = count;
        const answer = await send(desk.dataset.revealedUrl, report());
        if (answer.kind !== "done") {
            // With the next ones.
            count += told;
        } else if (answer.text) {
            document.dispatchEvent(new CustomEvent("imgmod:parts", {detail: answer.text}));
        }
    }

    document.addEventListener("imgmod:revealed", () => {
        count += 1;
        setTimeout(tell, AFTER);
    });

    window.addEventListener("pagehide", () => {
        if (count) {
            const body = report();
            body.set("leaving", "1");
            navigator.sendBeacon(desk.dataset.revealedUrl, body);
        }
    });
})();
