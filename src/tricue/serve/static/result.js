/** The right-hand side: nothing yet, at work, an answer, or what went wrong. */

import { answerView, ghostView, summary } from "./answer.js";
import { isAnswered } from "./answers.js";
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

  /** What may come. task: as GET /v1/model tells it. */
  expect(task) {
    byId("ghost").replaceChildren(ghostView(task));
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

  /** task: as GET /v1/model tells it; player: of the clip that was asked about, or null. */
  answer(answer, task, player) {
    const { timeline } = answer;
    if (!isAnswered(answer) && !timeline) return this.failure(summary(answer, task));
    this.turn("answer", isAnswered(answer) ? summary(answer, task) : "The timeline is ready.");
    byId("answer").replaceChildren(answerView(answer, task));
    if (timeline && player) {
      this.timeline = timelineView(timeline, player);
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
