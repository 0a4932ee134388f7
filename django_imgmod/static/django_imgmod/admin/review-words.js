/*
 * What is wrong at the desk, in words that the page has brought along, and what can be done about it.
 */
(() => {
    "use strict";

    const list = document.getElementById("imgmod-problems");
    if (!list) {
        return;
    }

    const MAX_PROBLEMS = 5;
    // Long enough to be read by somebody who goes on deciding. In milliseconds.
    const READ_AFTER = 10_000;
    const since = new WeakMap();

    function saying(name) {
        return document.getElementById(`imgmod-say-${name}`).content.cloneNode(true).firstElementChild;
    }

    function itemOf({kind, files}) {
        const item = saying(kind);
        for (const element of item.querySelectorAll("[data-imgmod-file]")) {
            element.textContent = files.join(", ");
        }
        return item;
    }

    function put(item) {
        item.append(saying("dismiss"));
        list.append(item);
        since.set(item, performance.now());
        while (list.children.length > MAX_PROBLEMS) {
            list.firstElementChild.remove();
        }
    }

    /** What did not arrive is complained of once, until it has. */
    function settle() {
        for (const item of list.querySelectorAll("[data-imgmod-complaint]")) {
            item.remove();
        }
    }

    function note(...parts) {
        document.getElementById("imgmod-notice").replaceChildren(...parts);
    }

    /** Say at the comment itself whether something waits for it. */
    function need(isNeeded) {
        const field = document.getElementById("imgmod-comment");
        const told = isNeeded ? ["imgmod-comment-needed", "imgmod-comment-help"] : ["imgmod-comment-help"];
        document.getElementById("imgmod-comment-needed").hidden = !isNeeded;
        field.setAttribute("aria-invalid", String(isNeeded));
        field.setAttribute("aria-describedby", told.join(" "));
    }

    document.addEventListener("imgmod:needed", ({detail}) => need(detail));

    document.addEventListener("imgmod:chosen", ({detail}) => {
        const item = saying("reason");
        item.querySelector("[data-imgmod-chosen]").textContent = detail.dataset.imgmodReason;
        note(item);
    });

    /** Take back what was said of the answers before, now that there is another. */
    function forget() {
        note();
        for (const item of [...list.querySelectorAll("li:not([data-imgmod-complaint])")]) {
            if (performance.now() - (since.get(item) || 0) > READ_AFTER) {
                item.remove();
            }
        }
    }

    document.addEventListener("imgmod:asked", forget);

    document.addEventListener("imgmod:problem", ({detail}) => put(detail.item || itemOf(detail)));

    document.addEventListener("imgmod:complaint", ({detail}) => {
        settle();
        const item = itemOf(detail);
        item.dataset.imgmodComplaint = "";
        item.addEventListener("click", (event) => {
            if (event.target.closest("[data-imgmod-again]")) {
                item.remove();
                detail.again();
            }
        });
        put(item);
    });

    document.addEventListener("imgmod:settled", settle);

    document.addEventListener("click", (event) => {
        const button = event.target.closest("[data-imgmod-dismiss]");
        if (button) {
            const item = button.closest("li");
            if (item) {
                item.remove();
            } else {
                note();
            }
            document.getElementById("imgmod-heading").focus();
        }
    });
})();
