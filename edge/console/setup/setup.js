// The setup form: fetched when its tab is first looked at, so that nobody's typing is overwritten behind their back.
(() => {
  const CORNERS = ["left", "top", "right", "bottom"];
  const SMALLEST = 2;  // percent: less is a click, not a frame
  const form = () => document.getElementById("setup-form");
  const field = (name) => form().elements.namedItem(name);
  const all = (selector) => [...form().querySelectorAll(selector)];
  const text = (name) => field(name).value.trim() || null;
  const number = (input) => (input.value === "" ? null : Number(input.value));
  const share = (name) => Number((Number(field(name).value) / 100).toFixed(6));

  const reason = (told, answer) => told.error ?? (typeof told.detail === "string" ? told.detail : answer.statusText);

  const load = async (holder) => {
    holder.dataset.state = "loading";
    try {
      const answer = await fetch("setup/form", { cache: "no-store" });
      if (!answer.ok) throw new Error(reason(await answer.json(), answer));
      holder.innerHTML = await answer.text();
      picture();
      frame();
    } catch (error) {
      holder.innerHTML = '<div class="card bad" role="alert"><p class="headline">The setup cannot be shown</p><p></p>'
        + '<button type="button" data-setup="again">Try again</button></div>';
      holder.querySelector("p:last-of-type").textContent = error.message;
    }
    holder.dataset.state = "loaded";
  };

  setInterval(() => {
    const holder = document.getElementById("setup-holder");
    if (holder && holder.offsetParent !== null && !holder.dataset.state) load(holder);
  }, 300);

  // 1: the tray
  const picture = () => { form().querySelector(".region img").src = `tray.jpg?at=${Date.now()}`; };

  const frame = () => {
    const [left, top, right, bottom] = CORNERS.map((corner) => Number(field(`region.${corner}`).value));
    const shown = form().querySelector(".region i").style;
    Object.assign(shown, { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` });
  };

  const draw = (corners) => {
    CORNERS.forEach((corner, i) => { field(`region.${corner}`).value = Number(corners[i].toFixed(1)); });
    frame();
  };

  document.addEventListener("pointerdown", (down) => {
    const view = down.target.closest?.("#region");
    if (!view || !down.isPrimary || down.button !== 0) return;
    down.preventDefault();
    view.setPointerCapture(down.pointerId);
    const before = CORNERS.map((corner) => Number(field(`region.${corner}`).value));
    const at = (event) => {
      const box = view.getBoundingClientRect();
      const inside = (share) => 100 * Math.min(1, Math.max(0, share));
      return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
    };
    const [x0, y0] = at(down);
    const move = (event) => {
      if (event.pointerId !== down.pointerId) return;
      const [x1, y1] = at(event);
      const drawn = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
      draw(drawn[2] - drawn[0] < SMALLEST || drawn[3] - drawn[1] < SMALLEST ? before : drawn);
    };
    const end = (event) => {
      if (event.pointerId !== down.pointerId) return;
      if (event.type === "pointercancel") draw(before);
      for (const [kind, heard] of [["pointermove", move], ["pointerup", end], ["pointercancel", end]]) {
        view.removeEventListener(kind, heard);
      }
    };
    view.addEventListener("pointermove", move);
    view.addEventListener("pointerup", end);
    view.addEventListener("pointercancel", end);
  });

  // 2 and 3: compartments are what can be chosen for a label
  const names = () => all("[name='position.name']").map((input) => input.value.trim()).filter(Boolean);

  const offer = (before, after) => {
    for (const select of all("[name^='route.'], [name=residual]")) {
      const chosen = select.value === before ? after : select.value;
      select.replaceChildren(...names().map((name) => new Option(name, name, false, name === chosen)));
      if (!names().includes(chosen)) select.value = "";  // required: the form is not sent before somebody has chosen
      select.required = true;
    }
    for (const input of all("[name^='into.']")) {
      if (before && input.name === `into.${before}` && after) input.name = `into.${after}`;
    }
  };

  // What is wrong must be seen to be mended.
  document.addEventListener("invalid", (event) => {
    const folded = event.target.closest?.("#setup-form details");
    if (folded) folded.open = true;
  }, true);

  // what is sent
  const gone = (name) => document.getElementById("positions") && !names().includes(name);

  const sorting = () => ({
    routes: Object.fromEntries(all("[name^='route.']").map((select) => [select.name.slice(6), select.value])),
    residual: field("residual").value,
    costs: {
      wrong: number(field("wrong")),
      residual: number(field("to_residual")),
      into: Object.fromEntries(
        all("[name^='into.']").map((input) => [input.name.slice(5), number(input)]).filter(([name, cost]) => cost !== null && !gone(name))
      ),
    },
    max_contamination: field("max_contamination").value === "" ? null : Number(field("max_contamination").value),
    min_probability: share("min_probability"),
  });

  const actuator = () => {
    const holder = document.getElementById("positions");
    if (!holder) return null;
    const rows = [...holder.querySelectorAll(".position")].map((row) => [
      row.querySelector("[name='position.name']").value.trim(),
      { [holder.dataset.key]: number(row.querySelector("[name='position.degrees']")) },
    ]);
    return { positions: Object.fromEntries(rows) };
  };

  const mqtt = () => ({
    host: text("host"),
    port: number(field("port")),
    embedded_broker: field("embedded_broker").checked,
    username: text("username"),
    password_file: text("password_file"),
    tls: field("tls").checked
      ? { ca_file: text("tls.ca_file"), cert_file: text("tls.cert_file"), key_file: text("tls.key_file") }
      : null,
  });

  const setup = () => ({
    presence: { region: CORNERS.map((corner) => share(`region.${corner}`)) },
    sorting: sorting(),
    actuator: actuator(),
    mqtt: mqtt(),
  });

  const ask = async (path, body, place) => {
    const shown = document.getElementById(place);
    shown.innerHTML = '<p class="fine" role="status">Asking the bin.</p>';
    let done = false;
    try {
      const answer = await fetch(`setup/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      const told = await answer.json();
      if (!answer.ok) throw new Error(reason(told, answer));
      shown.innerHTML = told.html;
      done = told.done;
    } catch (error) {
      shown.innerHTML = '<div class="card bad" role="alert"><p class="headline">Not done</p><p></p></div>';
      shown.querySelector("p:last-child").textContent = error.message;
    }
    return done;
  };

  const change = async (path, body) => {
    const done = await ask(path, { was: form().dataset.was, ...body }, "setup-said");
    document.getElementById("setup-said").scrollIntoView({ block: "nearest" });
    if (done) await load(document.getElementById("setup-holder"));
  };

  // The bin is gone, and then it is back: only now what is shown is what holds.
  const RESTARTED = '<div class="card good" role="status"><p class="headline">The bin was restarted</p></div>';
  const NOT_RESTARTED = '<div class="card bad" role="alert"><p class="headline">Not restarted</p>'
    + "<p>An item was not done with within a minute, or the mechanism stopped. Look at the tray, and ask again.</p></div>";
  const LONGEST_MS = 75000;  // longer than the bin waits until nothing is on its way

  const back = async () => {
    const said = document.getElementById("setup-said"), from = performance.now();
    let gone = false;
    for (;;) {
      await new Promise((done) => setTimeout(done, 500));
      const answer = await fetch("setup/form", { cache: "no-store" }).catch(() => null);
      if (gone && answer?.ok) break;
      gone = gone || answer === null || !answer.ok;
      if (!gone && performance.now() - from > LONGEST_MS) {
        said.innerHTML = NOT_RESTARTED;
        return;
      }
    }
    await load(document.getElementById("setup-holder"));
    said.innerHTML = RESTARTED;
  };

  const restart = () => {
    const dialog = document.getElementById("setup-confirm");
    dialog.returnValue = "";
    dialog.addEventListener("close", async () => {
      if (dialog.returnValue !== "yes" || !(await ask("restart", {}, "setup-said"))) return;
      document.getElementById("setup-said").scrollIntoView({ block: "nearest" });
      await back();
    }, { once: true });
    dialog.showModal();
  };

  const twice = () => {
    const seen = new Set();
    for (const input of all("[name='position.name']")) {
      const name = input.value.trim();
      input.setCustomValidity(seen.has(name) ? "There is a compartment of this name already." : "");
      seen.add(name);
    }
  };

  const does = {
    picture,
    whole: () => draw([0, 0, 100, 100]),
    arm: () => ask("move", { what: "arm" }, "setup-moved"),
    resume: () => ask("move", { what: "resume" }, "setup-moved"),
    jog: (button) => ask("move", { what: "jog", compartment: button.dataset.name }, "setup-moved"),
    broker: () => ask("broker", { mqtt: mqtt() }, "setup-broker"),
    undo: () => change("undo", {}),
    restart,
    again: () => load(document.getElementById("setup-holder")),
    add: () => {
      const row = form().querySelector("template").content.firstElementChild.cloneNode(true);
      document.getElementById("positions").append(row);
      row.querySelector("input").focus();
    },
    remove: (button) => {
      button.closest(".position").remove();
      offer(null, null);
      form().querySelector("[data-setup=add]").focus();
    },
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-setup]");
    if (button) does[button.dataset.setup](button);
  });

  document.addEventListener("submit", (event) => {
    if (event.target.id !== "setup-form") return;
    event.preventDefault();
    change("write", { setup: setup() });
  });

  document.addEventListener("focusin", (event) => {
    if (event.target.name === "position.name") event.target.dataset.before = event.target.value.trim();
  });

  document.addEventListener("input", (event) => {
    if (!event.target.closest?.("#setup-form")) return;
    if (event.target.name.startsWith("region.")) frame();
    if (event.target.name === "position.name") twice();
  });

  document.addEventListener("change", (event) => {
    if (event.target.name !== "position.name" || !event.target.closest("#setup-form")) return;
    offer(event.target.dataset.before || null, event.target.value.trim());
    event.target.dataset.before = event.target.value.trim();
  });
})();
