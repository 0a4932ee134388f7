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
                document.getElementById("imgmod-notice").replaceChildren();
            }
            document.getElementById("imgmod-heading").focus();
        }
    });
})();
