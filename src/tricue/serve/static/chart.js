/** Answers over time on a canvas: a lane per name, a bar per segment as high as its probability, or a curve of values. */

import { along, axesOf, isAnswered, namedIn, valuesOf } from "./answers.js";
import { clock } from "./format.js";

const LANE = 28; // pixels of CSS, as are all here
const LANE_OF_VALUES = 48;
const TOP = 4;
const AXIS = 20;
const GAP = 8; // between a lane's name and its bars
const FONT = "13px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

export class Chart {
  /** timeline: as the service gives it. */
  constructor(canvas, timeline) {
    this.canvas = canvas;
    this.timeline = timeline;
    this.task = timeline.task;
    this.axes = axesOf(timeline.task, timeline.entries);
    this.lane = timeline.task.kind === "values" ? LANE_OF_VALUES : LANE;
    this.seconds = Math.max(0.001, timeline.seconds, ...timeline.entries.map((entry) => entry.end));
    this.still = document.createElement("canvas"); // all but the cursor
    this.at = 0;
  }

  /** Draw anew: after a change of size or of the colour scheme. */
  redraw() {
    const { canvas, still } = this;
    const scale = window.devicePixelRatio || 1;
    this.width = canvas.clientWidth;
    this.height = TOP + this.lane * this.axes.length + AXIS;
    canvas.style.height = `${this.height}px`;
    for (const each of [canvas, still]) {
      each.width = Math.max(1, Math.round(this.width * scale));
      each.height = Math.max(1, Math.round(this.height * scale));
    }
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.ink = colour("--ink");
    this.soft = colour("--soft");
    this.line = colour("--line");
    this.rim = colour("--rim"); // the darker classes need one on a dark ground
    this.others = Number(colour("--others"));
    const pen = still.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    pen.font = FONT;
    const names = this.axes.map(({ name }) => pen.measureText(name).width);
    this.left = Math.min(Math.max(...names, 0), 0.3 * this.width) + GAP;
    this.drawLanes(pen);
    this.drawAxis(pen);
    this.timeline.entries.forEach((entry) => isAnswered(entry) && this.drawSegment(pen, entry));
    this.drawMarks(pen);
    this.moveTo(this.at);
  }

  /** Put the cursor at `seconds`. */
  moveTo(seconds) {
    this.at = seconds;
    const pen = this.canvas.getContext("2d");
    const scale = this.canvas.width / this.width;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(this.still, 0, 0);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = this.ink;
    pen.fillRect(this.x(seconds) - 1, 0, 2, this.height - AXIS + 4);
  }

  /** Seconds under a pointer. */
  secondsAt(event) {
    const place = event.clientX - this.canvas.getBoundingClientRect().left;
    const share = (place - this.left) / (this.width - this.left - 1);
    return this.seconds * Math.min(1, Math.max(0, share));
  }

  x(seconds) {
    return this.left + (seconds / this.seconds) * (this.width - this.left - 1);
  }

  drawLanes(pen) {
    pen.textBaseline = "middle";
    this.axes.forEach(({ name, low, high }, i) => {
      const bottom = TOP + this.lane * (i + 1);
      const middle = bottom - this.lane / 2;
      pen.fillStyle = this.ink;
      pen.fillText(name, 0, middle - (this.task.kind === "values" ? 8 : 0), this.left - GAP);
      pen.fillStyle = this.soft;
      const range = `${Number(low.toFixed(2))} to ${Number(high.toFixed(2))}`;
      if (this.task.kind === "values") pen.fillText(range, 0, middle + 9, this.left - GAP);
      pen.fillStyle = this.line;
      pen.fillRect(this.left, bottom - 1, this.width - this.left, 1);
    });
  }

  /** Thresholds, or means of the training rows: a dashed line across each lane. */
  drawMarks(pen) {
    pen.fillStyle = this.soft;
    this.axes.forEach((axis, i) => {
      if (axis.mark === null) return;
      for (let x = this.left; x < this.width; x += 8) pen.fillRect(x, Math.round(this.y(axis, i, axis.mark)), 4, 1);
    });
  }

  /** The height of a value in the lane of its axis, the i-th. */
  y(axis, i, value) {
    return TOP + this.lane * (i + 1) - 1 - along(axis, value) * (this.lane - 4);
  }

  drawAxis(pen) {
    const room = (this.width - this.left) / 64; // labels that fit
    const step = STEPS.find((each) => this.seconds / each <= room) ?? STEPS.at(-1);
    pen.fillStyle = this.soft;
    pen.textBaseline = "bottom";
    for (let second = 0; second <= this.seconds; second += step) {
      const label = clock(second);
      const x = Math.min(this.x(second), this.width - pen.measureText(label).width);
      pen.fillText(label, x, this.height);
    }
  }

  drawSegment(pen, entry) {
    const x = this.x(entry.start);
    const width = Math.max(1.5, this.x(entry.end) - x - 1);
    const said = new Set(namedIn(this.task, entry));
    this.axes.forEach((axis, i) => {
      const value = valuesOf(entry)[axis.name];
      const [y, bottom] = [this.y(axis, i, value), TOP + this.lane * (i + 1) - 1];
      pen.fillStyle = axis.colour;
      if (this.task.kind === "values") this.drawValue(pen, x, width, y, axis.mark === null ? bottom : this.y(axis, i, axis.mark));
      else this.drawBar(pen, x, width, Math.min(y, bottom - 1), bottom, said.has(axis.name));
    });
  }

  drawBar(pen, x, width, y, bottom, isAnswer) {
    pen.globalAlpha = isAnswer ? 1 : this.others;
    pen.fillRect(x, y, width, bottom - y);
    pen.globalAlpha = 1;
    if (!isAnswer) {
      pen.fillStyle = this.rim;
      pen.fillRect(x, Math.round(y) - 1, width, 1);
    } else if (width > 3) {
      pen.strokeStyle = this.ink;
      pen.strokeRect(x + 0.5, y + 0.5, width - 1, Math.max(1, bottom - y - 1));
    }
  }

  /** A line at the value, and its way from `base`. */
  drawValue(pen, x, width, y, base) {
    pen.globalAlpha = this.others;
    pen.fillRect(x, Math.min(y, base), width, Math.abs(y - base));
    pen.globalAlpha = 1;
    pen.fillStyle = this.ink;
    pen.fillRect(x, Math.round(y) - 1, width, 2);
  }
}
