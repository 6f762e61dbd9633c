// Lets this browser show messages of Madang: asks it for a subscription and tells the hub (W3C Push API).
"use strict";
(() => {
  const form = document.querySelector("form[data-push]");
  if (!form) return;
  const [problem, button] = [form.querySelector("[role=alert]"), form.querySelector("button")];
  const there = form.querySelector("[data-there]");
  const say = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
  };
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  if (!("serviceWorker" in navigator) || !("PushManager" in window)) return say(form.dataset.sayMissing);

  const known = () => new Set([...document.querySelectorAll("[data-endpoint]")].map((one) => one.dataset.endpoint));

  const look = async () => {
    const worker = await navigator.serviceWorker.register(form.dataset.worker);
    const subscription = await worker.pushManager.getSubscription();
    const isThere = subscription !== null && known().has(subscription.endpoint);
    there.hidden = !isThere;
    button.hidden = isThere;
    return worker;
  };

  const subscribe = async () => {
    say("");
    if ((await Notification.requestPermission()) !== "granted") return say(form.dataset.sayBlocked);
    const worker = await look();
    const old = await worker.pushManager.getSubscription();
    if (old) await old.unsubscribe(); // it may be of an older key
    const made = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(form.dataset.key) });
    const answer = await fetch(form.dataset.push, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Form-Token": form.elements.token.value },
      body: JSON.stringify({ endpoint: made.endpoint, p256dh: text(made.getKey("p256dh")), auth: text(made.getKey("auth")) }),
    });
    const body = await answer.json();
    if (!answer.ok) return say(body.detail || body.title);
    location.assign(body.next);
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true;
    subscribe()
      .catch((error) => say(error instanceof TypeError ? form.dataset.sayOffline : error.message))
      .finally(() => (button.disabled = false));
  });
  look().catch((error) => {
    button.hidden = false;
    say(error.message);
  });
})();
