// Passkeys: asks the hub for options, the browser for an answer, and sends it back.
// A form with data-passkey="…/options" and data-then="…" says where; its texts are in data-say-…. A field of another
// form that it needs as well is named by data-shares.
"use strict";
(() => {
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const unpacked = (options) => {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const list of ["allowCredentials", "excludeCredentials"])
      for (const one of options[list] || []) one.id = bytes(one.id);
    return options;
  };

  const packed = (credential) => {
    const response = { clientDataJSON: text(credential.response.clientDataJSON) };
    for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"])
      if (credential.response[part]) response[part] = text(credential.response[part]);
    return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
  };

  const send = async (address, content, token) => {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Form-Token": token },
      body: JSON.stringify(content),
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail || body.title);
    return body;
  };

  const said = (form, problem) => {
    if (problem.name === "NotAllowedError" || problem.name === "AbortError") return form.dataset.sayCancelled;
    if (problem.name === "InvalidStateError") return form.dataset.sayKnown;
    if (problem instanceof TypeError) return form.dataset.sayOffline;
    return problem.message;
  };

  const run = async (form) => {
    const values = Object.fromEntries(new FormData(form));
    const shared = document.getElementById(form.dataset.shares);
    if (shared && !shared.reportValidity()) return;
    if (shared) values[shared.name] = shared.value;
    const token = values.token;
    delete values.token;
    const begun = await send(form.dataset.passkey, values, token);
    const options = { publicKey: unpacked(begun.publicKey) };
    const credential = options.publicKey.user
      ? await navigator.credentials.create(options)
      : await navigator.credentials.get(options);
    const done = await send(form.dataset.then, { ...values, ceremony: begun.ceremony, credential: packed(credential) }, token);
    location.assign(done.next);
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const message = form.querySelector("[role=alert]");
    const button = form.querySelector("button");
    const say = (words) => {
      message.textContent = words;
      message.hidden = !words;
    };
    form.lastElementChild.hidden = true; // that scripts are needed
    if (!window.PublicKeyCredential) {
      say(form.dataset.sayUnsupported);
      continue;
    }
    button.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      say("");
      button.disabled = true;
      try {
        await run(form);
      } catch (problem) {
        say(said(form, problem));
      } finally {
        button.disabled = false;
      }
    });
  }
})();
