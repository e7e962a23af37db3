// Notices when the console itself is gone: gradio would leave the last picture standing as if it were live.
(() => {
  const SILENT_MS = 6000;  // longer than a daemon that hangs makes the console wait
  let beat = null;
  let heard = performance.now();
  let lostFor = 0;
  setInterval(async () => {
    const now = document.querySelector("#beat [data-beat]")?.dataset.beat ?? null;
    if (now !== beat || document.hidden) {  // browsers slow a hidden page's timers down
      beat = now;
      heard = performance.now();
    }
    const lost = performance.now() - heard > SILENT_MS;
    lostFor = lost ? lostFor + 1 : 0;
    document.documentElement.classList.toggle("lost", lost);
    const note = document.getElementById("console-lost");
    if (note) note.hidden = !lost;
    if (lostFor > 1) {
      try {
        const answer = await fetch("alive", { cache: "no-store" });
        if (answer.ok) location.reload();
      } catch {
        // still gone; asked again in a second
      }
    }
  }, 1000);
})();

// A person does something: where there is a log-in, it ends when this has not been heard for long. Once a half minute.
(() => {
  const OFTEN_MS = 30000;
  let told = -OFTEN_MS;
  const tell = () => {
    if (performance.now() - told < OFTEN_MS) return;
    told = performance.now();
    fetch("active", { method: "POST" }).catch(() => {});
  };
  for (const sign of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) {
    document.addEventListener(sign, tell, { passive: true });
  }
})();
