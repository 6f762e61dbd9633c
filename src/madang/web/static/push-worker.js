// Shows messages of Madang, also while no page of it is open (W3C Push API, Notifications API).
"use strict";
self.addEventListener("push", (event) => {
  const told = event.data ? event.data.json() : {};
  event.waitUntil(
    self.registration.showNotification(told.title || "Madang", {
      body: told.text || "",
      lang: told.language,
      tag: told.notice, // the same notice again takes the place of the first
      requireInteraction: Boolean(told.urgent),
      data: told.link,
    }),
  );
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const link = event.notification.data;
  // Links are the hub's own; anything else is not followed.
  if (link && new URL(link, self.location).origin === self.location.origin) event.waitUntil(self.clients.openWindow(link));
});
