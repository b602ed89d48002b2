/** Recording from the microphone or the camera, with the browser's own recorder. */

const WANTED = {
  microphone: { audio: true },
  camera: { audio: true, video: { width: { ideal: 640 }, height: { ideal: 480 } } },
};
const TYPES = {
  microphone: ["audio/webm;codecs=opus", "audio/mp4"],
  camera: ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"],
};
const REASONS = {
  NotAllowedError: "The browser may not use it: allow it in the settings of this page, or choose a file.",
  NotFoundError: "None was found: plug one in, or choose a file.",
  NotReadableError: "It is in use by another program: close that one, or choose a file.",
};

/** Why nothing can be recorded here, or null. */
export function whyNoRecording() {
  if (!window.isSecureContext) return "Browsers record only on https:// pages and on this machine itself.";
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) return "This browser can't record.";
  return null;
}

/**
 * Start recording from `kind` ("microphone" or "camera").
 *
 * limits: {seconds, bytes}, at which it stops by itself. Gives {stream, stop(), level(), finished}: the live stream,
 * the end, the loudness now (0 to 1), and a promise of the File (null where nothing was recorded).
 * Throws Error with one sentence where the device can't be had.
 */
export async function startRecording(kind, limits) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(WANTED[kind]);
  } catch (error) {
    throw new Error(`No recording from the ${kind}. ${REASONS[error.name] ?? error.message}`, { cause: error });
  }
  const type = TYPES[kind].find((name) => MediaRecorder.isTypeSupported(name));
  const recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
  const meter = levelMeter(stream);
  const stop = () => recorder.state !== "inactive" && recorder.stop();
  const finished = collected(recorder, limits, stop).finally(() => {
    meter.close();
    for (const track of stream.getTracks()) track.stop();
  });
  recorder.start(1000);
  return { stream, stop, level: meter.level, finished };
}

/** A promise of what `recorder` gives until it stops: by `stop`, at a limit, or where the device goes away. */
function collected(recorder, limits, stop) {
  const parts = [];
  let bytes = 0;
  const clock = setTimeout(stop, 1000 * Math.max(1, limits.seconds - 1));
  recorder.addEventListener("dataavailable", (event) => {
    if (event.data.size === 0) return;
    parts.push(event.data);
    bytes += event.data.size;
    if (bytes > 0.95 * limits.bytes) stop();
  });
  return new Promise((resolve, reject) => {
    recorder.addEventListener("error", (event) => reject(event.error ?? new Error("The recording broke off.")));
    recorder.addEventListener("stop", () => {
      clearTimeout(clock);
      const type = (recorder.mimeType || "video/webm").split(";")[0];
      const name = `recording.${type.endsWith("mp4") ? "mp4" : "webm"}`;
      resolve(bytes > 0 ? new File(parts, name, { type }) : null);
    });
  });
}

/** The loudness of a stream's sound: 0 at -60 dB of full scale and below, 1 at full scale. */
function levelMeter(stream) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const wave = new Float32Array(analyser.fftSize);
  return {
    level() {
      analyser.getFloatTimeDomainData(wave);
      const power = wave.reduce((sum, value) => sum + value * value, 0) / wave.length;
      return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-12)) / 60));
    },
    close: () => context.close(),
  };
}
