/*
 * The picture of a card: veiled at rest, shown while a key, a pointer or a finger is held, grey until colour is asked
 * for. At rest the page holds 24 grey pixels; the picture itself waits outside the document.
 */
(() => {
    "use strict";

    const desk = document.getElementById("imgmod-desk");
    if (!desk) {
        return;
    }

    const {whenFresh} = window.imgmodLinks;
    const PRESSED = "aria-pressed";
    const LARGE = "imgmod-look-large";
    // Where the space bar does something of its own.
    const OWN_SPACE = "a, button, input, summary, select, textarea, [contenteditable]";
    const pictures = new WeakMap();
    const counted = new WeakSet();
    let shown = null;
    // What keeps it shown: the space bar, a pointer by its number, or a button that was pressed, that for large included.
    let holder = null;

    function currentLook() {
        return desk.querySelector(".imgmod-look");
    }

    function cardOf(element) {
        return element.closest("#imgmod-card");
    }

    function isVeiled(look) {
        return look.classList.contains("imgmod-look-veiled");
    }

    /** Return the picture of a look in the size that is wanted, loading or loaded. */
    function pictureOf(look) {
        const source = "large" in look.dataset && look.classList.contains(LARGE)
            ? look.dataset.large : look.dataset.small;
        const known = pictures.get(look) || new Map();
        pictures.set(look, known);
        if (!known.has(source)) {
            const picture = new Image();
            picture.alt = look.dataset.alt;
            picture.className = "imgmod-seen";
            picture.draggable = false;
            // A picture that did not arrive is asked for anew.
            picture.addEventListener("error", () => known.delete(source));
            picture.src = source;
            known.set(source, picture);
        }
        return known.get(source);
    }

    /** Put pictures there, beneath what marks parts of them. */
    function put(look, ...images) {
        look.replaceChildren(...images, ...look.querySelectorAll(".imgmod-marks"));
    }

    function count(card) {
        if (card && !counted.has(card)) {
            counted.add(card);
            document.dispatchEvent(new CustomEvent("imgmod:revealed", {detail: card}));
        }
    }

    function press(selector, isPressed) {
        for (const button of desk.querySelectorAll(`#imgmod-card ${selector}`)) {
            button.setAttribute(PRESSED, String(isPressed));
        }
    }

    function reveal(look, by) {
        if (!look || shown === look) {
            return;
        }
        hide();
        shown = look;
        holder = by;
        if (isVeiled(look)) {
            refresh(look);
            press("[data-imgmod-look]", true);
        }
        look.classList.add("imgmod-look-shown");
        if (typeof by !== "number") {
            // By a key, or a button that is pressed once. A pointer is where one looks.
            look.scrollIntoView({block: "nearest"});
        }
        count(cardOf(look));
    }

    function hide() {
        const look = shown;
        shown = holder = null;
        for (const one of desk.querySelectorAll(".imgmod-look-colour")) {
            one.classList.remove("imgmod-look-colour");
        }
        press("[data-imgmod-colour]", false);
        if (!look) {
            return;
        }
        look.classList.remove("imgmod-look-shown");
        if (isVeiled(look)) {
            put(look, look.querySelector(".imgmod-veil"));
        } else if (look.classList.contains(LARGE)) {
            setLarge(look, false);
        }
        press("[data-imgmod-look]", false);
    }

    /** Put what is wanted now in the place of what is shown. */
    function refresh(look) {
        whenFresh(look, () => {
            if (shown === look && isVeiled(look)) {
                put(look, look.querySelector(".imgmod-veil"), pictureOf(look));
            } else if (!isVeiled(look)) {
                put(look, pictureOf(look));
            }
        });
    }

    function toggleColour(look) {
        press("[data-imgmod-colour]", look.classList.toggle("imgmod-look-colour"));
    }

    function setLarge(look, isLarge) {
        look.classList.toggle(LARGE, isLarge);
        press("[data-imgmod-zoom]", isLarge);
        refresh(look);
    }

    /** Show it large from the next look on; what lies open is shown so now, until somebody has had enough. */
    function toggleLarge(look) {
        if (isVeiled(look)) {
            setLarge(look, !look.classList.contains(LARGE));
        } else if (look.classList.contains(LARGE)) {
            hide();
        } else {
            setLarge(look, true);
            reveal(look, LARGE);
        }
    }

    function choose(look, button) {
        look.dataset.small = button.dataset.small;
        look.dataset.large = button.dataset.large;
        for (const mark of look.querySelectorAll(".imgmod-mark")) {
            mark.classList.toggle("imgmod-mark-elsewhere", mark.dataset.frame !== button.dataset.frame);
        }
        press("[data-imgmod-sight]", false);
        button.setAttribute(PRESSED, "true");
        whenFresh(look, () => pictureOf(look));
        refresh(look);
    }

    /** Ask for a card's picture while another card is read. */
    function prepare(card) {
        const look = card.querySelector(".imgmod-look");
        if (look && isVeiled(look)) {
            pictureOf(look);
        }
    }

    function picturesOf(card) {
        return [...card.querySelectorAll(".imgmod-look")]
            .flatMap((look) => [...look.querySelectorAll("img"), ...(pictures.get(look) || new Map()).values()]);
    }

    /** Ask no longer for what has not arrived of a card: nobody looks at it, and the site may refuse it by now. */
    function cancel(card) {
        for (const picture of picturesOf(card).filter(({complete}) => !complete)) {
            picture.dataset.cancelled = picture.getAttribute("src");
            picture.removeAttribute("src");
        }
    }

    /** Ask for it again: the card has come back. */
    function resume(card) {
        for (const picture of picturesOf(card).filter(({dataset}) => dataset.cancelled)) {
            picture.src = picture.dataset.cancelled;
            delete picture.dataset.cancelled;
        }
    }

    function holds(target) {
        return target instanceof Element && target.closest(".imgmod-look, [data-imgmod-look]") !== null;
    }

    function isSpace(event) {
        const target = event.target instanceof Element ? event.target : desk;
        const isPlain = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
        const isOnButton = target.closest("[data-imgmod-look]") !== null;
        const isFree = desk.dataset.keys === "on" && target.closest(OWN_SPACE) === null;
        return event.key === " " && isPlain && (isOnButton || isFree) && !document.querySelector("dialog[open]");
    }

    document.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && holder === LARGE) {
            hide();
        }
        if (isSpace(event) && currentLook()) {
            event.preventDefault();
            if (!event.repeat) {
                reveal(currentLook(), " ");
            }
        }
    });

    document.addEventListener("keyup", (event) => {
        if (event.key === " " && holder === " ") {
            event.preventDefault();
            hide();
        }
    });

    document.addEventListener("pointerdown", (event) => {
        if (event.button === 0 && holds(event.target)) {
            reveal(currentLook(), event.pointerId);
        }
    });

    for (const name of ["pointerup", "pointercancel"]) {
        document.addEventListener(name, (event) => {
            if (holder === event.pointerId) {
                hide();
            }
        });
    }

    document.addEventListener("contextmenu", (event) => {
        // A long touch would open it over the picture.
        if (holds(event.target)) {
            event.preventDefault();
        }
    });

    document.addEventListener("click", (event) => {
        const look = currentLook();
        const button = event.target.closest("button");
        if (holder === LARGE && event.target.closest(".imgmod-look") === look) {
            hide();
        }
        if (!look || !button) {
            return;
        }
        if (button.matches("[data-imgmod-colour]")) {
            toggleColour(look);
        } else if (button.matches("[data-imgmod-zoom]")) {
            toggleLarge(look);
        } else if (button.matches("[data-imgmod-sight]")) {
            choose(look, button);
        } else if (button.matches("[data-imgmod-look]") && event.detail === 0) {
            // Pressed by Enter or by a tool that cannot hold: it stays until pressed again.
            if (shown) {
                hide();
            } else {
                reveal(look, button);
            }
        }
    });

    window.addEventListener("blur", hide);
    window.addEventListener("pagehide", hide);
    document.addEventListener("visibilitychange", hide);
    document.addEventListener("imgmod:loaded", (event) => prepare(event.detail));
    document.addEventListener("imgmod:answered", (event) => cancel(event.detail));
    document.addEventListener("imgmod:dealt", (event) => {
        hide();
        resume(event.detail);
        if (event.detail.dataset.seen !== undefined) {
            count(event.detail);
        }
    });
})();
