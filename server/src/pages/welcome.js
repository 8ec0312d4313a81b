"use strict";

// What is behind `#` is never sent with the address, so that no log holds it.
const link = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

const say = (text) => { document.getElementById("said").textContent = text; };

document.getElementById("choice").addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = document.getElementById("password").value;
  const answer = await fetch("/v1/passwords", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ link, password }),
  });
  const body = await answer.json();
  if (answer.ok) return say(`Done. You can log in as ${body.email} now.`);
  const details = (body.errors || []).map((one) => one.detail);
  say([body.title, body.detail, ...details].filter(Boolean).join(": "));
});
