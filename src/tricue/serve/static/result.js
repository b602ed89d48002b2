/** The right-hand side: nothing yet, at work, an answer, or what went wrong. */

import { answerView, ghostView, summary } from "./answer.js";
import { byId } from "./elements.js";
import { timelineView } from "./timeline.js";

export class Result {
  /** onCleared(): what is shown is about to go, a timeline with the player in it too. */
  constructor(onCleared) {
    this.onCleared = onCleared;
    this.timeline = null;
    this.ticking = null;
  }

  /** "empty", "busy", "answer" or "error". */
  get state() {
    return byId("result").dataset.state;
  }

  /** What may come; colours: a Map from emotion to colour. */
  expect(colours) {
    byId("ghost").replaceChildren(ghostView(colours));
  }

  empty(said = "Nothing has been asked yet.") {
    this.turn("empty", said);
  }

  busy() {
    this.turn("busy", "The model is at work.");
    const began = performance.now();
    const tick = () => (byId("busy-time").textContent = `${Math.floor((performance.now() - began) / 1000)} s`);
    tick();
    this.ticking = setInterval(tick, 500);
  }

  failure(sentence) {
    this.turn("error", "");
    byId("failure").textContent = sentence;
    this.reveal();
  }

  /** colours: a Map from emotion to colour; player: of the clip that was asked about, or null. */
  answer(answer, colours, player) {
    const { timeline } = answer;
    if (answer.emotion === null && !timeline) return this.failure(summary(answer));
    this.turn("answer", answer.emotion === null ? "The timeline is ready." : summary(answer));
    byId("answer").replaceChildren(answerView(answer, colours));
    if (timeline && player) {
      this.timeline = timelineView(timeline, colours, player);
      byId("timeline-content").replaceChildren(this.timeline.element);
      byId("timeline").hidden = false;
    }
    return this.reveal();
  }

  turn(state, said) {
    const hadFocus = byId("busy").contains(document.activeElement);
    clearInterval(this.ticking);
    this.onCleared();
    this.timeline?.close();
    this.timeline = null;
    byId("timeline").hidden = true;
    byId("timeline-content").replaceChildren();
    byId("answer").replaceChildren();
    byId("failure").textContent = "";
    byId("result").dataset.state = state;
    byId("result").setAttribute("aria-busy", String(state === "busy"));
    byId("busy").hidden = state !== "busy";
    byId("empty").hidden = state !== "empty";
    byId("ghost").hidden = state !== "empty" && state !== "busy";
    byId("failure").hidden = state !== "error";
    byId("status").textContent = said;
    if (hadFocus && state !== "busy") byId("send").focus();
  }

  /** On a narrow page the answer stands below the question: bring it into sight. */
  reveal() {
    const result = byId("result");
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (result.getBoundingClientRect().top > 0.75 * window.innerHeight) {
      result.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
    }
  }
}
