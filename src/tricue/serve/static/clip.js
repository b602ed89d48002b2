/** The clip in hand: dropped, chosen or recorded, with its player, until it is removed. */

import { byId } from "./elements.js";
import { fileSize } from "./format.js";
import { playerOf } from "./player.js";

const SUBTITLES = /\.(srt|vtt)$/i;

export class Clip {
  /** onClip(): there is a new one; onSubtitles(): some were dropped; onRemoved(); onTrouble(sentence). */
  constructor(calls) {
    this.file = null;
    this.player = null;
    this.calls = calls;
    byId("file").addEventListener("change", (event) => {
      if (event.target.files.length > 0) this.take([...event.target.files]);
      event.target.value = ""; // so that the same file can be chosen again
    });
    byId("file").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return; // it looks like a button, but browsers open it by Space alone
      event.preventDefault();
      event.target.click();
    });
    byId("remove").addEventListener("click", () => {
      this.clear();
      byId("file").focus();
      calls.onRemoved();
    });
    this.acceptDrops();
  }

  /** Anywhere on the page: a file that misses the box must not take the page's place. */
  acceptDrops() {
    const zone = byId("drop");
    const light = (on) => zone.classList.toggle("over", on);
    document.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      light(true);
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget === null && light(false));
    document.addEventListener("drop", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      light(false);
      this.take([...event.dataTransfer.files]);
    });
  }

  /** A clip, subtitles, or both. */
  take(files) {
    const subtitles = files.filter((file) => SUBTITLES.test(file.name));
    const clips = files.filter((file) => !SUBTITLES.test(file.name));
    if (clips.length > 1) {
      this.calls.onTrouble("One clip at a time: drop a single one. Many are a task for `tricue predict`.");
      return;
    }
    if (clips.length > 0) this.clear(); // before the subtitles of the new one come
    if (subtitles.length > 0) {
      const carried = new DataTransfer();
      carried.items.add(subtitles[0]);
      byId("subtitles").files = carried.files;
      byId("options").open = true;
    }
    if (clips.length > 0) this.set(clips[0]);
    else if (subtitles.length > 0) this.calls.onSubtitles();
  }

  set(file) {
    this.clear();
    this.file = file;
    this.player = playerOf(file);
    byId("clip-name").textContent = file.name;
    byId("clip-size").textContent = fileSize(file.size);
    byId("clip").hidden = false;
    this.bringHome();
    this.calls.onClip();
  }

  /** The player back from the timeline to its place here. */
  bringHome() {
    const home = byId("preview");
    if (this.player && !home.contains(this.player.element)) home.replaceChildren(this.player.element); // moved, it pauses
  }

  /** Its subtitles go with it; those given before any clip wait for theirs. */
  clear() {
    if (this.file !== null) byId("subtitles").value = "";
    this.player?.release();
    byId("preview").replaceChildren();
    byId("clip").hidden = true;
    this.file = this.player = null;
  }
}
