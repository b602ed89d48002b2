/** The browser's own player for the clip in hand. */

import { element } from "./elements.js";

/** {element, media, release()} of a File; `element` says so where the browser can't play it. */
export function playerOf(file) {
  const address = URL.createObjectURL(file);
  const media = element("video", { controls: true, playsinline: true, preload: "metadata", "aria-label": "The clip" });
  const trouble = element("p", { class: "soft small", hidden: true });
  const shown = element("div", { class: "player" }, media, trouble);
  media.addEventListener("loadedmetadata", () => {
    shown.classList.toggle("sound-only", media.videoWidth === 0);
    if (media.duration === Infinity) findEnd(media);
  });
  media.addEventListener("error", () => {
    media.hidden = true;
    trouble.hidden = false;
    trouble.textContent = "This browser can't play the clip; the service may still read it.";
  });
  media.src = address;
  return {
    element: shown,
    media,
    release() {
      media.pause();
      media.removeAttribute("src");
      media.load();
      URL.revokeObjectURL(address);
    },
  };
}

/** What a browser records tells no duration; one look at its end, and the player knows it. */
function findEnd(media) {
  media.addEventListener("durationchange", () => (media.currentTime = 0), { once: true });
  media.currentTime = Number.MAX_SAFE_INTEGER;
}
