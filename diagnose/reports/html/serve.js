// Logs that are dropped anywhere are sent as the form sends them; a report whose logs have grown is loaded anew.
"use strict";
{
  const form = document.getElementById("drop"), state = document.getElementById("state");
  const MOST = 2000;
  const say = (words) => { state.textContent = words; };

  const send = async (files) => {
    const data = new FormData(form);
    data.delete("logs");
    for (const [name, file] of files) data.append("logs", file, name);
    say(files.length === 1 ? `Judging ${files[0][0]} ...` : `Judging ${files.length} files ...`);
    try {
      const answer = await fetch(form.action, { method: "POST", body: data });
      if (answer.redirected) { location.href = answer.url; return; }
      const text = await answer.text();
      const page = new DOMParser().parseFromString(text, "text/html");
      say((page.getElementById("state") || page.body).textContent.trim());
    } catch (error) {
      say("The server does not answer; is diagnose serve still running?");
    }
  };

  const entries = (reader) => new Promise((done, failed) => reader.readEntries(done, failed));
  const walk = async (entry, path, found) => {
    if (found.length >= MOST) return;
    if (entry.isFile) {
      found.push([path + entry.name, await new Promise((done, failed) => entry.file(done, failed))]);
    } else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (let some = await entries(reader); some.length; some = await entries(reader)) {
        for (const inner of some) await walk(inner, `${path}${entry.name}/`, found);
      }
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const files = [...document.getElementById("files").files].map((file) => [file.name, file]);
    if (files.length || form.elements.pasted.value.trim()) send(files);
    else say("Choose a log first, or paste its text.");
  });
  document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("over");
  });
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    const items = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
    const plain = [...event.dataTransfer.files].map((file) => [file.name, file]);
    const found = [];
    for (const entry of items) if (entry) await walk(entry, "", found);
    const files = found.length ? found : plain;
    if (files.length) send(files);
    else say("There was no file in what was dropped.");
  });

  setInterval(async () => {
    const shown = document.getElementById("report");
    try {
      const versions = await (await fetch("state")).json();
      if (!shown) { if (versions[0]) location.reload(); return; }
      const version = String(versions[shown.dataset.number]);
      if (version !== "undefined" && version !== shown.dataset.version) {
        shown.dataset.version = version;
        shown.src = shown.getAttribute("src");
        say("The logs have grown: the report is new.");
      }
    } catch (error) { /* the server has ended: what is shown stays */ }
  }, 2000);
}
