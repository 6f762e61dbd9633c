// Small comforts; every page works without them.
"use strict";
for (const time of document.querySelectorAll("time[datetime]:not([data-ago])"))
  time.textContent = new Date(time.dateTime).toLocaleString(document.documentElement.lang, {
    dateStyle: "medium", timeStyle: "short",
  });
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value
      || document.getElementById(button.dataset.copy).textContent);
    button.textContent = button.dataset.done;
  });
}
