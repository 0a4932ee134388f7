/*
 * Single keys of the review desk. A key presses the button that shows it, so whatever a key can do, a button can.
 */
(() => {
    "use strict";

    const desk = document.getElementById("imgmod-desk");
    if (!desk) {
        return;
    }

    const STORE = "imgmod-keys";
    const TEXT_FIELDS = "input:not([type=radio], [type=checkbox], [type=hidden]), textarea, select, [contenteditable]";
    // What these keys do by themselves where one of these has the focus must go on working.
    const OWN_KEYS = new Set(["enter", " ", "arrowleft", "arrowright"]);
    // What some keyboards write with Shift alone.
    const WITH_SHIFT = /^[0-9?]$/;
    const OWN_KEYS_OF = "a, button, input, summary, audio, video";

    function areKeysOn() {
        return desk.dataset.keys === "on";
    }

    /** Return the key as the buttons name it; by its place on the keyboard where it writes no Latin letter. */
    function nameOf(event) {
        const key = event.key.toLowerCase();
        const place = /^(?:Key|Digit)(.)$/.exec(event.code);
        const isLatin = key.length > 1 || /^[\x20-\x7e]$/.test(key);
        return !isLatin && place ? place[1].toLowerCase() : key;
    }

    function isForSomethingElse(event, key) {
        const target = event.target instanceof Element ? event.target : desk;
        return event.defaultPrevented
            || event.repeat
            || event.isComposing
            || event.ctrlKey || event.altKey || event.metaKey
            || (event.shiftKey && !WITH_SHIFT.test(event.key))
            || document.querySelector("dialog[open]") !== null
            || target.closest(TEXT_FIELDS) !== null
            || (OWN_KEYS.has(key) && target.closest(OWN_KEYS_OF) !== null);
    }

    function isShown(element) {
        return !element.disabled && element.getClientRects().length > 0;
    }

    function press(key) {
        const button = [...desk.querySelectorAll(`[data-imgmod-key~="${CSS.escape(key)}"]`)].find(isShown);
        if (!button) {
            return false;
        }
        if (button.type === "radio") {
            choose(button);
        } else {
            button.click();
        }
        return true;
    }

    /** The same digit once more takes the choice back. */
    function choose(radio) {
        const none = radio.form.querySelector('input[type=radio][value=""]');
        const chosen = radio.checked && none ? none : radio;
        chosen.checked = true;
        chosen.closest("label").scrollIntoView({block: "nearest"});
        giveUp();
        document.dispatchEvent(new CustomEvent("imgmod:chosen", {detail: chosen}));
    }

    /** What was begun, and waits for a comment, is not meant any more. */
    function giveUp() {
        const begun = desk.querySelector("[data-imgmod-begun]");
        if (begun) {
            delete begun.dataset.imgmodBegun;
            document.dispatchEvent(new CustomEvent("imgmod:needed", {detail: false}));
        }
    }

    function focusField(key) {
        const field = desk.querySelector(`[data-imgmod-focus-key="${CSS.escape(key)}"]`);
        if (field) {
            field.focus();
        }
        return field !== null;
    }

    function leaveField() {
        const heading = document.getElementById("imgmod-heading");
        if (heading) {
            heading.focus();
        }
    }

    /** In the comment: Enter does what was begun, or leaves the field; Escape leaves it, and what was begun. */
    function onFieldKey(event) {
        const isEnter = event.key === "Enter" && !event.shiftKey && !event.isComposing;
        if (!areKeysOn() || !event.target.matches("textarea[data-imgmod-focus-key]") || !(isEnter || event.key === "Escape")) {
            return;
        }
        event.preventDefault();
        const begun = desk.querySelector("[data-imgmod-begun]");
        if (begun && isEnter) {
            begun.click();
        } else {
            giveUp();
            leaveField();
        }
    }

    function toggleKeys(box) {
        desk.dataset.keys = box.checked ? "on" : "off";
        try {
            sessionStorage.setItem(STORE, desk.dataset.keys);
        } catch {
            // Without storage the choice lasts as long as the page.
        }
    }

    function recallKeys() {
        try {
            desk.dataset.keys = sessionStorage.getItem(STORE) || desk.dataset.keys;
        } catch {
            return;
        }
        for (const box of desk.querySelectorAll("[data-imgmod-toggle-keys]")) {
            box.checked = areKeysOn();
        }
    }

    document.addEventListener("keydown", (event) => {
        onFieldKey(event);
        const key = nameOf(event);
        if (areKeysOn() && !isForSomethingElse(event, key) && (press(key) || focusField(key))) {
            event.preventDefault();
        }
    });

    document.addEventListener("click", (event) => {
        const opener = event.target.closest("[data-imgmod-open]");
        if (opener) {
            document.getElementById(opener.dataset.imgmodOpen).showModal();
        }
    });

    document.addEventListener("change", (event) => {
        if (event.target.matches("[data-imgmod-toggle-keys]")) {
            toggleKeys(event.target);
        } else if (event.target.matches("[name=reason_code]")) {
            giveUp();
        }
    });

    desk.dataset.script = "on";
    recallKeys();
})();
