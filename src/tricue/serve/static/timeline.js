/** The timeline of a longer clip: player, chart and transcript, which follow each other, and files to keep. */

import { inWords, isAnswered, namedIn, percent } from "./answers.js";
import { Chart } from "./chart.js";
import { asCaptions, asJson, asTable } from "./downloads.js";
import { element, named } from "./elements.js";
import { clock } from "./format.js";
import { currentOf, ledTo, segmentsAt } from "./segments.js";

const HINTS = {
  classes: "The higher, the likelier; the likeliest is framed.",
  labels: "The higher, the likelier; what reaches its dashed line is named, and framed.",
  values: "From the lowest value of each range to the highest; the dashed line is the mean of the training rows.",
};

/** {element, close()} of a timeline as the service gives it. player: as `playerOf` gives it; it moves in here. */
export function timelineView(timeline, player) {
  const view = new View(timeline, player);
  return { element: view.element, close: () => view.close() };
}

class View {
  constructor(timeline, player) {
    this.timeline = timeline;
    this.entries = timeline.entries;
    this.task = timeline.task;
    this.player = player;
    this.time = 0;
    this.asked = null; // the segment that was gone to last
    this.current = undefined; // the segment that is told of; null: a gap
    this.addresses = [];
    this.ended = new AbortController(); // ends every listener
    this.canvas = element("canvas", {
      role: "slider", tabindex: 0, "aria-label": "Time in the clip; arrow keys go from segment to segment",
      "aria-valuemin": 0, "aria-valuemax": Math.round(timeline.seconds), "aria-valuenow": 0,
    });
    this.chart = new Chart(this.canvas, timeline);
    this.now = element("p", { class: "now" });
    this.lines = this.entries.map((entry, i) => this.line(entry, i));
    this.list = element("ol", { class: "transcript" }, ...this.lines.map((line) => element("li", {}, line)));
    this.element = this.layout();
    this.listen();
    this.show(0);
  }

  layout() {
    const stem = this.timeline.recording.replace(/\.[^.]*$/, "") || "timeline";
    return element(
      "div",
      { class: "timeline" },
      element("div", { class: "stage" }, this.player.element, this.now),
      element("div", { class: "chart" }, this.canvas,
        element("p", { class: "soft small" },
          `${HINTS[this.task.kind]} Click, or use the arrow keys, to go there.`)),
      element("div", { class: "words" }, element("h3", {}, "Transcript"), this.list),
      element("p", { class: "buttons" },
        this.file(`${stem}.csv`, "text/csv", asTable(this.timeline), "Table (CSV)"),
        this.file(`${stem}.json`, "application/json", asJson(this.timeline), "Everything (JSON)"),
        this.file(`${stem}.vtt`, "text/vtt", asCaptions(this.timeline), "Captions (WebVTT)")),
    );
  }

  line(entry, i) {
    const made = element(
      "button",
      { type: "button", tabindex: i === 0 ? 0 : -1 },
      element("span", { class: "number" }, clock(entry.start)),
      element("span", { class: "said" },
        entry.speaker ? element("b", {}, `${entry.speaker}: `) : null,
        entry.text || element("em", { class: "soft" }, entry.error ?? "no words")),
      element("span", { class: "feeling" }, ...this.feeling(entry)),
    );
    made.addEventListener("click", () => this.goTo(i));
    return made;
  }

  feeling(entry) {
    if (!isAnswered(entry)) return ["no answer"];
    if (this.task.kind === "values") return inWords(this.task, entry).split(", ").map((said) => element("span", {}, said));
    if (entry.emotion === "uncertain") return [named(null, entry.emotion)];
    const said = this.task.axes.filter(({ name }) => namedIn(this.task, entry).includes(name));
    const sure = this.task.kind === "classes" ? ` ${percent(entry.confidence)}` : "";
    return said.length === 0 ? ["none"] : said.map(({ name, colour }) => named(colour, `${name}${sure}`));
  }

  file(name, type, content, label) {
    const address = URL.createObjectURL(new Blob([content], { type: `${type};charset=utf-8` }));
    this.addresses.push(address);
    return element("a", { class: "button", href: address, download: name }, label);
  }

  listen() {
    const until = { signal: this.ended.signal };
    const { media } = this.player;
    const follow = () => this.show(media.currentTime);
    for (const event of ["timeupdate", "seeked", "pause"]) media.addEventListener(event, follow, until);
    media.addEventListener("play", () => this.run(), until);
    this.canvas.addEventListener("pointerdown", (event) => this.go(this.chart.secondsAt(event)), until);
    this.canvas.addEventListener("keydown", (event) => this.step(event, this.canvas), until);
    this.list.addEventListener("keydown", (event) => this.step(event, this.list), until);
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.chart.redraw(), until);
    this.sizes = new ResizeObserver(() => this.canvas.clientWidth !== this.chart.width && this.chart.redraw());
    this.sizes.observe(this.canvas);
  }

  /** Smoothly, while it plays. */
  run() {
    const { media } = this.player;
    const frame = () => {
      if (media.paused || this.ended.signal.aborted) return;
      this.show(media.currentTime);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** Arrow keys go from segment to segment, in the chart and in the transcript. */
  step(event, where) {
    const to = ledTo(event.key, this.entries, this.time, this.current);
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.goTo(to);
    if (where === this.list) this.lines[to].focus();
  }

  goTo(index) {
    this.go(this.entries[index].start, index);
  }

  /** Go there, in the player too where it can play. asked: the segment that is meant, or null. */
  go(seconds, asked = null) {
    const { media } = this.player;
    this.asked = asked;
    if (media.readyState > 0) media.currentTime = seconds;
    this.show(seconds);
  }

  show(seconds) {
    const now = currentOf(this.entries, segmentsAt(this.entries, seconds), this.asked);
    this.time = seconds;
    if (this.chart.width) this.chart.moveTo(seconds);
    this.canvas.setAttribute("aria-valuenow", Math.round(seconds));
    this.canvas.setAttribute("aria-valuetext", now === null ? clock(seconds) : this.described(this.entries[now]));
    if (now !== this.current) this.tell(now);
  }

  /** Mark the segment, and say what it is. */
  tell(now) {
    this.lines[this.current]?.removeAttribute("aria-current");
    this.current = now;
    this.now.replaceChildren(...(now === null ? ["Nothing here"] : this.feeling(this.entries[now])));
    if (now === null) return;
    const line = this.lines[now];
    for (const other of this.lines) other.tabIndex = other === line ? 0 : -1;
    line.setAttribute("aria-current", "true");
    const row = line.parentElement; // scrolls the list alone, never the page
    const middle = row.offsetTop - this.list.offsetTop - (this.list.clientHeight - row.offsetHeight) / 2;
    this.list.scrollTo({ top: middle });
  }

  described(entry) {
    return `${clock(entry.start)}: ${inWords(this.task, entry)}${entry.text ? `. ${entry.text}` : ""}`;
  }

  close() {
    this.ended.abort();
    this.sizes.disconnect();
    for (const address of this.addresses) URL.revokeObjectURL(address);
  }
}
