/*
 * How many pictures were revealed: told to the site now and then, which may propose a break.
 */
(() => {
    "use strict";

    const desk = document.getElementById("imgmod-desk");
    if (!desk || !desk.dataset.revealedUrl) {
        return;
    }

    const AFTER = 4000;
    let count = 0;

    function report() {
        const token = desk.querySelector("[name=csrfmiddlewaretoken]").value;
        const body = new URLSearchParams({csrfmiddlewaretoken: token, query: desk.dataset.place, count});
        count = 0;
        return body;
    }

    async function send() {
        if (!count) {
            return;
        }
        const told = count;
        try {
            const answer = await fetch(desk.dataset.revealedUrl, {
                method: "POST", body: report(), headers: {"X-Imgmod-Desk": "parts"}, redirect: "manual",
            });
            if (!answer.ok) {
                count += told;
            } else if (answer.status === 200) {
                document.dispatchEvent(new CustomEvent("imgmod:parts", {detail: await answer.text()}));
            }
        } catch {
            count += told;
        }
    }

    document.addEventListener("imgmod:revealed", () => {
        count += 1;
        setTimeout(send, AFTER);
    });

    window.addEventListener("pagehide", () => {
        if (count) {
            const body = report();
            body.set("leaving", "1");
            navigator.sendBeacon(desk.dataset.revealedUrl, body);
        }
    });
})();
