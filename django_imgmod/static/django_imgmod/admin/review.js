/*
 * The queue at the desk. The next card is claimed and loaded while this one is read; an answer leaves while the next
 * card is looked at already. What the site does not take comes back to the desk, and is said.
 */
(() => {
    "use strict";

    const desk = document.getElementById("imgmod-desk");
    if (!desk) {
        return;
    }

    const {TOKEN, parse, send} = window.imgmodPost;
    const place = new URLSearchParams(desk.dataset.place);
    // Cards that are claimed and loaded, in their order; the one on the desk is not among them.
    const ready = [];
    // Answers that the site has not taken yet, the oldest first.
    const outbox = [];
    // The ids of what was skipped, to go back to.
    const skipped = [];
    // What was skipped, the oldest first: it is left out, as far as the site takes so many keys.
    const leftOut = (place.get("skipped") || "").split("-").filter(Boolean).map((keys) => ({keys}));
    // The ids of the cards that were answered, by whatever answer.
    const answered = [];
    let isClaiming = false;
    let isSending = false;
    let lastNumber = Number(place.get("number")) || 0;

    // The desk

    function current() {
        return document.getElementById("imgmod-card");
    }

    function isCard(element) {
        return element !== null && element.dataset.id !== undefined;
    }

    function held() {
        return [current(), ...ready].filter(isCard);
    }

    function focusHeading() {
        document.getElementById("imgmod-heading").focus();
    }

    function deal(card) {
        current().replaceWith(card);
        focusHeading();
        if (isCard(card)) {
            announce(card);
        }
        fill();
    }

    function announce(card) {
        lastNumber = Number(card.dataset.number);
        tell("dealt", card);
    }

    function advance() {
        deal(ready.shift() || saying("loading").firstElementChild);
    }

    function putFirst(card) {
        // Between an undo and its answer the card was free, and may have been claimed in advance.
        ready.splice(0, Infinity, ...ready.filter(({dataset}) => dataset.id !== card.dataset.id));
        if (isCard(current()) && current().dataset.id !== card.dataset.id) {
            ready.unshift(current());
        }
        deal(card);
    }

    function takeAway(card) {
        if (card === current()) {
            advance();
        } else if (ready.includes(card)) {
            ready.splice(ready.indexOf(card), 1);
        }
    }

    /** Claim a card in advance, or the one that the desk waits for. */
    async function fill() {
        const isWanted = current().matches("[aria-busy]") || (isCard(current()) && !ready.length);
        if (isClaiming || !isWanted) {
            return;
        }
        isClaiming = true;
        const isEarly = outbox.length > 0;
        const answeredBefore = answered.length;
        const leaving = outbox.map(({card}) => card).filter(Boolean);
        const answer = await send(
            desk.dataset.claimUrl, fields({held: idsOf([...held(), ...leaving])}, nextNumber()),
        );
        const dealt = answer.kind === "done" ? answer.parts.querySelector("#imgmod-card") : null;
        const isHere = isCard(dealt) && held().some(({dataset}) => dataset.id === dealt.dataset.id);
        if (isHere || (isCard(dealt) && answered.slice(answeredBefore).includes(dealt.dataset.id))) {
            // Skipped, or taken back, after this was asked for, and so the first that was free.
            if (!isHere) {
                await send(desk.dataset.releaseUrl, fields({ids: dealt.dataset.ids}), {outlives: true});
            }
            isClaiming = false;
            fill();
            return;
        }
        isClaiming = false;
        if (answer.kind !== "done") {
            // Of what was only meant for later nothing need be said yet.
            if (answer.kind === "returned") {
                apply(answer.parts);
            } else if (current().matches("[aria-busy]")) {
                tell("complaint", {kind: answer.kind === "offline" ? "claim" : answer.kind, files: [], again: fill});
            }
            return;
        }
        const card = answer.parts.querySelector("#imgmod-card");
        if (isCard(card)) {
            tell("loaded", card);
        }
        if (!current().matches("[aria-busy]")) {
            ready.push(...[card].filter(isCard));
        } else if (isCard(card) || !(isEarly || answered.length > answeredBefore)) {
            deal(card);
        } else if (!outbox.length) {
            // The end, counted before the last answer had arrived.
            fill();
        }
    }

    function nextNumber() {
        return Math.max(lastNumber, ...held().map((card) => Number(card.dataset.number))) + 1;
    }

    /** The number of the card on the desk, or of the one that would come there. */
    function currentNumber() {
        return isCard(current()) ? Number(current().dataset.number) : lastNumber + 1;
    }

    // Talking to the site

    function fields(values, number) {
        const query = new URLSearchParams(place);
        query.set("number", number || currentNumber());
        return new URLSearchParams({[TOKEN]: desk.querySelector(`[name=${TOKEN}]`).value, query, ...values});
    }

    function post(entry) {
        tell("asked");
        outbox.push(entry);
        deliver();
    }

    /** Send what waits, one after the other: an undo must not overtake what it takes back. */
    async function deliver() {
        if (isSending) {
            return;
        }
        isSending = true;
        while (outbox.length) {
            const answer = await send(outbox[0].url, outbox[0].body, {outlives: true});
            const isTaken = answer.kind === "done" || answer.kind === "returned";
            const entries = isTaken ? [outbox.shift()] : outbox.splice(0);
            if (answer.kind !== "done") {
                bringBack(entries);
            }
            if (isTaken) {
                tell("settled");
                apply(answer.parts);
            } else {
                complain(answer, entries);
            }
        }
        isSending = false;
        fill();
    }

    function bringBack(entries) {
        for (const {card} of [...entries].reverse()) {
            if (card) {
                putFirst(card);
            }
        }
    }

    function sendAgain(entries) {
        // What was answered anew meanwhile is not sent twice.
        outbox.push(...entries.filter(({card}) => !card || held().includes(card)));
        for (const {card} of entries) {
            if (card) {
                takeAway(card);
            }
        }
        deliver();
    }

    // What is said

    function saying(name) {
        return document.getElementById(`imgmod-say-${name}`).content.cloneNode(true);
    }

    function replace(id, parts) {
        const part = parts.querySelector(`#${id}`);
        const old = document.getElementById(id);
        if (part && old) {
            old.replaceWith(part);
        }
    }

    function apply(parts) {
        const notice = parts.querySelector("#imgmod-notice");
        if (notice) {
            document.getElementById("imgmod-notice").replaceChildren(...notice.childNodes);
        }
        for (const problem of parts.querySelectorAll("#imgmod-problems > li")) {
            tell("problem", {item: problem});
        }
        replace("imgmod-last", parts);
        replace("imgmod-tabs", parts);
        const card = parts.querySelector("#imgmod-card");
        if (isCard(card)) {
            tell("loaded", card);
            putFirst(card);
        } else if (document.activeElement === document.body) {
            focusHeading();
        }
    }

    function tell(name, detail) {
        document.dispatchEvent(new CustomEvent(`imgmod:${name}`, {detail}));
    }

    /** Say why something did not arrive, and offer to try again. */
    function complain(answer, entries) {
        const files = entries.filter(({card}) => card).map(({card}) => card.dataset.file);
        tell("complaint", {kind: answer.kind, files, again: () => sendAgain(entries)});
    }

    // What the moderator does

    function answerCard(form, button) {
        if (lacksComment(form, button)) {
            return;
        }
        const card = current();
        const body = new URLSearchParams(new FormData(form));
        if (button.name) {
            body.set(button.name, button.value);
        }
        if ("imgmodSkip" in button.dataset) {
            leaveOut(card);
            skipped.push(card.dataset.id);
            showWayBack();
        }
        answered.push(card.dataset.id);
        tell("asked");
        tell("answered", card);
        // On its way before the next card is asked for, which must not be this one.
        outbox.push({url: button.hasAttribute("formaction") ? button.formAction : form.action, body, card});
        advance();
        deliver();
    }

    function lacksComment(form, button) {
        const reason = form.querySelector("[name=reason_code]:checked");
        const isWanted = button.value === "block" && reason && reason.matches("[data-imgmod-needs-comment]");
        const isLacking = isWanted && !form.elements.comment.value.trim();
        delete button.dataset.imgmodBegun;
        tell("needed", Boolean(isLacking));
        if (isLacking) {
            button.dataset.imgmodBegun = "";
            form.elements.comment.focus();
        }
        return Boolean(isLacking);
    }

    function leaveOut({dataset: {keys, position}}) {
        const others = leftOut.filter((other) => other.keys !== keys);
        leftOut.splice(0, Infinity, ...others, {keys, position});
        const count = () => leftOut.flatMap((other) => other.keys.split(".")).length;
        while (count() > Number(desk.dataset.maxSkipped)) {
            const {position: forgotten} = leftOut.shift();
            if (forgotten) {
                // The queue goes on behind it.
                place.set("after", forgotten);
            }
        }
        place.set("skipped", leftOut.map((other) => other.keys).join("-"));
    }

    function undo(form) {
        const batch = form.elements.batch;
        post({url: form.action, body: fields(batch ? {batch: batch.value} : {}), card: null});
    }

    function goBack(form) {
        const publicId = skipped.pop() || form.elements.public_id.value;
        form.elements.public_id.value = "";
        showWayBack();
        post({url: form.action, body: fields({public_id: publicId}), card: null});
    }

    function showWayBack() {
        document.getElementById("imgmod-back").hidden = !skipped.length;
    }

    document.addEventListener("submit", (event) => {
        const form = event.target;
        const does = form.matches("#imgmod-card .imgmod-decision") ? answerCard
            : form.matches("#imgmod-undo, [data-imgmod-undo]") ? undo
                : form.matches("#imgmod-back") ? goBack : null;
        if (does) {
            event.preventDefault();
            does(form, event.submitter);
        }
    });

    // Claims

    function idsOf(cards) {
        return cards.map((card) => card.dataset.ids).join(" ");
    }

    async function beat() {
        const cards = held();
        if (document.hidden || !cards.length) {
            return;
        }
        const answer = await send(desk.dataset.heartbeatUrl, fields({ids: idsOf(cards)}));
        if (answer.kind === "done") {
            const {lost} = JSON.parse(answer.text);
            held().filter((card) => lost.includes(card.dataset.id)).forEach(lose);
        } else if (answer.kind === "returned") {
            // This queue is not open to them any more: nothing of it is left standing here.
            location.reload();
        }
    }

    function lose(card) {
        if (card !== current()) {
            takeAway(card);
            fill();
        } else if (!card.classList.contains("imgmod-card-lost")) {
            card.classList.add("imgmod-card-lost");
            tell("problem", {kind: "lost", files: [card.dataset.file]});
        }
    }

    document.addEventListener("visibilitychange", beat);
    document.addEventListener("imgmod:parts", (event) => apply(parse(event.detail)));

    window.addEventListener("pagehide", () => {
        // The first one is on its way, and outlives the page.
        for (const {url, body} of outbox.slice(1)) {
            body.set("leaving", "1");
            navigator.sendBeacon(url, body);
        }
        if (held().length) {
            navigator.sendBeacon(desk.dataset.releaseUrl, fields({ids: idsOf(held()), leaving: 1}));
        }
    });

    window.addEventListener("pageshow", (event) => {
        // Back from another page: what was held was given back.
        if (event.persisted) {
            location.reload();
        }
    });

    for (const name of ["back", "card", "shown"]) {
        place.delete(name);
    }
    setInterval(beat, Number(desk.dataset.claimSeconds) * 1000 / 3);
    if (isCard(current())) {
        focusHeading();
        tell("loaded", current());
        announce(current());
        beat();
        fill();
    }
})();
