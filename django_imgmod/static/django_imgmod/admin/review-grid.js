/*
 * The grid of the review desk by keyboard: arrow keys move, X selects, V shows a picture while it is held. One picture
 * at a time is in the order of Tab, so that the decision is never more than one Tab away.
 */
(() => {
    "use strict";

    const desk = document.getElementById("imgmod-desk");
    const form = document.getElementById("imgmod-grid-form");
    if (!desk || !form) {
        return;
    }

    const {whenFresh} = window.imgmodLinks;
    const {parse} = window.imgmodPost;
    const TEXT_FIELDS = "input:not([type=checkbox]), textarea, select, [contenteditable]";
    const grid = document.getElementById("imgmod-grid");
    const notice = document.getElementById("imgmod-notice");
    const cells = [...grid.querySelectorAll(".imgmod-cell")];
    const boxes = cells.map((cell) => cell.querySelector("input"));
    const counted = new WeakSet();
    let current = 0;
    let shown = null;
    // What keeps it shown: the key, or a pointer by its number.
    let holder = null;

    // Moving

    function point(number) {
        current = number;
        cells.forEach((cell, place) => {
            const tabIndex = place === current ? 0 : -1;
            boxes[place].tabIndex = tabIndex;
            cell.querySelector("a").tabIndex = tabIndex;
        });
    }

    function go(number) {
        if (number >= 0 && number < boxes.length) {
            hide();
            point(number);
            boxes[number].focus({preventScroll: true});
            cells[number].scrollIntoView({block: "nearest"});
        }
    }

    /** Return how many cells stand beside each other now. */
    function columns() {
        const top = cells[0].offsetTop;
        const next = cells.findIndex((cell) => cell.offsetTop !== top);
        return next < 0 ? cells.length : next;
    }

    function moves() {
        const onward = getComputedStyle(grid).direction === "rtl" ? -1 : 1;
        return {
            ArrowRight: current + onward,
            ArrowLeft: current - onward,
            ArrowDown: current + columns(),
            ArrowUp: current - columns(),
            Home: 0,
            End: cells.length - 1,
        };
    }

    // Selecting

    function tell() {
        const count = boxes.filter((box) => box.checked).length;
        document.getElementById("imgmod-grid-count").textContent = `(${count.toLocaleString(document.documentElement.lang)})`;
    }

    // Looking

    function lookOf(cell) {
        return cell.querySelector(".imgmod-look");
    }

    function reveal(cell, by) {
        const look = lookOf(cell);
        if (shown === look || !look.classList.contains("imgmod-look-veiled")) {
            return;
        }
        hide();
        shown = look;
        holder = by;
        whenFresh(look, () => {
            if (shown === look && holder === by) {
                look.append(pictureOf(look));
            }
        });
        look.classList.add("imgmod-look-shown");
        if (!counted.has(look)) {
            counted.add(look);
            document.dispatchEvent(new CustomEvent("imgmod:revealed"));
        }
    }

    function pictureOf(look) {
        const picture = new Image();
        picture.alt = look.dataset.alt;
        picture.className = "imgmod-seen";
        picture.draggable = false;
        picture.src = look.dataset.small;
        return picture;
    }

    function hide() {
        if (shown) {
            shown.classList.remove("imgmod-look-shown", "imgmod-look-colour");
            for (const picture of shown.querySelectorAll(".imgmod-seen")) {
                picture.remove();
            }
        }
        shown = holder = null;
    }

    // Keys and pointers

    function areKeysOn() {
        return desk.dataset.keys === "on";
    }

    /** Return the key by its letter; by its place on the keyboard where it writes no Latin one. */
    function nameOf(event) {
        const place = /^Key(.)$/.exec(event.code);
        return (/^[^\x20-\x7e]$/.test(event.key) && place ? place[1] : event.key).toLowerCase();
    }

    const keys = {
        x: () => boxes[current].click(),
        v: () => reveal(cells[current], "v"),
        c: () => shown && shown.classList.toggle("imgmod-look-colour"),
        o: () => cells[current].querySelector("a").click(),
    };

    function isForSomethingElse(event) {
        return event.defaultPrevented || event.isComposing
            || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey
            || document.querySelector("dialog[open]") !== null
            || event.target.closest(TEXT_FIELDS) !== null;
    }

    document.addEventListener("keydown", (event) => {
        if (isForSomethingElse(event)) {
            return;
        }
        const isInGrid = grid.contains(event.target);
        const isNowhere = event.target === document.body;
        const target = moves()[event.key];
        if (isInGrid && target !== undefined) {
            event.preventDefault();
            go(target);
        } else if (isNowhere && areKeysOn() && event.key.startsWith("Arrow")) {
            event.preventDefault();
            go(current);
        } else if (event.key === "Enter" && event.target.matches("#imgmod-grid input")) {
            // A browser would send the form: too much for a key so near.
            event.preventDefault();
        } else if (areKeysOn() && Object.hasOwn(keys, nameOf(event))) {
            event.preventDefault();
            if (!event.repeat) {
                if (isNowhere) {
                    go(current);
                }
                keys[nameOf(event)]();
            }
        }
    });

    document.addEventListener("keyup", (event) => {
        if (holder === nameOf(event)) {
            hide();
        }
    });

    grid.addEventListener("pointerdown", (event) => {
        const look = event.target.closest(".imgmod-look");
        if (look && event.button === 0) {
            point(cells.indexOf(look.closest(".imgmod-cell")));
            reveal(cells[current], event.pointerId);
        }
    });

    for (const name of ["pointerup", "pointercancel"]) {
        document.addEventListener(name, (event) => {
            if (holder === event.pointerId) {
                hide();
            }
        });
    }

    grid.addEventListener("contextmenu", (event) => {
        // A long touch would open it over the picture.
        if (event.target.closest(".imgmod-look")) {
            event.preventDefault();
        }
    });

    grid.addEventListener("focusin", (event) => {
        point(cells.indexOf(event.target.closest(".imgmod-cell")));
    });

    // After many pictures the site proposes a break.
    document.addEventListener("imgmod:parts", ({detail}) => {
        notice.replaceChildren(...parse(detail).querySelector("#imgmod-notice").childNodes);
    });

    notice.addEventListener("click", (event) => {
        if (event.target.closest("[data-imgmod-dismiss]")) {
            notice.replaceChildren();
            boxes[current].focus();
        }
    });

    grid.addEventListener("change", tell);
    window.addEventListener("blur", hide);
    document.addEventListener("visibilitychange", hide);
    window.addEventListener("pagehide", hide);

    point(0);
    tell();
})();
