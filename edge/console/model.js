// The model tab: a switch, a roll-back, an upload; each after a question.
(() => {
  const part = (id) => document.getElementById(id);
  const say = (text) => { part("bundle-said").textContent = text; };

  const answered = (ok, body, status) => {
    if (!ok) throw new Error(body?.error ?? `Refused (${status}).`);
    return body;
  };

  const post = async (path, body) => {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return answered(answer.ok, await answer.json().catch(() => null), answer.status);
  };

  const send = (path, file) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();  // fetch does not say how far it is
    const sent = part("bundle-sent");
    request.open("POST", path);
    request.responseType = "json";
    request.upload.onprogress = (event) => { sent.value = event.loaded / event.total; };
    request.onload = () => resolve([request.status === 200, request.response, request.status]);
    request.onerror = () => reject(new Error("The connection was cut. Upload the archive again."));
    request.send(file);
  });

  // Gives how many items both models are to name before; null when the answer is no.
  const confirmed = (question, { beside }) => new Promise((resolve) => {
    const dialog = part("model-confirm");
    part("model-question").textContent = question;
    part("model-beside").hidden = !beside;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      const items = part("model-items");
      resolve(dialog.returnValue === "yes" ? Number(items.value || items.defaultValue) : null);
    }, { once: true });
    dialog.showModal();
  });

  const upload = async () => {
    const form = part("bundle-upload"), file = part("bundle-file").files[0], sent = part("bundle-sent");
    if (!file) return say("Choose the archive first.");
    if (file.size > Number(form.dataset.maxBytes)) {
      return say(`${file.name} has ${Math.round(file.size / 1e6)} MB, which is more than the bin takes.`);
    }
    const question = `Upload ${file.name}, and sort with it when it has passed?`;
    const items = await confirmed(question, { beside: true });
    if (items === null) return say("Not uploaded.");
    say(`Uploading ${file.name}.`);
    const { upload } = await post("model/archive", { bytes: file.size });
    sent.hidden = false;
    try {
      const asked = new URLSearchParams({ force: part("bundle-older").checked, shadow_items: items });
      answered(...await send(`model/archive/${upload}?${asked}`, file));
    } finally {
      sent.hidden = true;
    }
    return say(`${file.name} is on the bin, which checks it now; how it goes is shown on top.`);
  };

  const change = async (button) => {
    const { named, switch: slot } = button.dataset;
    const back = slot === undefined;
    const question = back ? `Roll back: sort with ${named} from the next item on?` : `Sort with ${named}?`;
    const items = await confirmed(question, { beside: !back });
    if (items === null) return say("Nothing was changed.");
    await (back ? post("model/rollback", {}) : post("model/switch", { slot, shadow_items: items }));
    return say(`${named} is on its way; how it goes is shown on top.`);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-switch], [data-rollback], [data-upload-bundle]");
    if (!button) return;
    button.disabled = true;
    try {
      await ("uploadBundle" in button.dataset ? upload() : change(button));
    } catch (error) {
      say(`Refused. ${error.message}`);
    } finally {
      button.disabled = false;
    }
  });
})();
