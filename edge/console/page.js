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

// The tray: one picture after the other, none asked for before the last has come, so that a slow phone is not flooded.
(() => {
  const EVERY_MS = 125;
  const STALE_MS = 2000;  // an older picture is marked, so that nobody takes it for what the tray looks like now
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  let known = "";

  const show = async (figure, answer) => {
    const none = document.getElementById("tray-none");
    const there = answer !== null && (answer.status === 200 || answer.status === 204);
    figure.hidden = !there;
    none.hidden = there;
    if (!there) {
      known = "";
      return;
    }
    const picture = document.getElementById("tray-picture");
    if (answer.status === 200) {
      const before = picture.src;
      picture.src = URL.createObjectURL(await answer.blob());
      await picture.decode();
      URL.revokeObjectURL(before);
      known = answer.headers.get("x-seq");
      figure.dataset.pictures = Number(figure.dataset.pictures ?? 0) + 1;
    }
    const age = Number(answer.headers.get("x-age-ms"));
    const stale = age > STALE_MS;
    const badge = document.getElementById("tray-age");
    figure.classList.toggle("stale", stale);
    badge.textContent = stale ? `${Math.round(age / 1000)} s old` : "live";
    badge.className = stale ? "badge bad" : "badge good";
    const seen = answer.headers.get("x-seen") ?? "";
    document.getElementById("tray-seen").textContent = seen;
    picture.alt = `The tray from above. ${seen}`;
    const box = answer.headers.get("x-box");
    const frame = document.getElementById("tray-box");
    frame.hidden = box === null || stale;
    if (box !== null) {
      const [x0, y0, x1, y1] = box.split(",").map(Number);
      Object.assign(frame.style, { left: `${x0}%`, top: `${y0}%`, width: `${x1 - x0}%`, height: `${y1 - y0}%` });
      frame.classList.toggle("still", answer.headers.get("x-state") === "still");
    }
  };

  const watch = async () => {
    for (;;) {
      const started = performance.now();
      const figure = document.getElementById("tray-figure");
      const looked = figure !== null && !document.hidden && document.getElementById("tray").offsetParent !== null;
      if (looked) {
        try {
          await show(figure, await fetch(`tray.jpg?known=${known}`, { cache: "no-store" }));
        } catch {
          await show(figure, null);  // the console is gone, or the picture is broken
        }
      }
      const idle = looked && !figure.hidden ? EVERY_MS : 4 * EVERY_MS;
      await pause(Math.max(10, idle - (performance.now() - started)));
    }
  };
  watch();
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

// The self-test's result on paper, with the time at which it was printed.
document.addEventListener("click", (event) => {
  if (!event.target.closest?.("[data-print]")) return;
  for (const time of document.querySelectorAll("#trial time")) time.textContent = `, ${new Date().toLocaleString()}`;
  print();
});

// What an item really is: a click says it, a second one takes it back.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-correct]");
  if (!button) return;
  const item = button.closest("[data-capture]");
  const said = item.querySelector(".said");
  const label = button.getAttribute("aria-pressed") === "true" ? null : button.dataset.correct;
  try {
    const answer = await fetch("correct", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ event_id: item.dataset.capture, label }),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error ?? told.detail ?? answer.statusText);
    for (const each of item.querySelectorAll("[data-correct]")) {
      each.setAttribute("aria-pressed", String(each.dataset.correct === told.label));
    }
    said.textContent = told.label === null ? "Taken back." : `Corrected: ${told.label}.`;
  } catch (error) {
    said.textContent = `Not corrected. ${error.message}`;
  }
});
