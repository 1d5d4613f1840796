// The formgrader's lists of hand-ins: who has which one open right now.
"use strict";
(() => {
  const EVERY = 10000; // milliseconds
  if (typeof assignment_id === "undefined") return;
  let open = [];

  const row_of = (each) => {
    const links = document.querySelectorAll("#main-table a[href]");
    const ends = [
      `/formgrader/submissions/${each.submission}`,
      `/formgrader/manage_students/${each.student}/${each.assignment}`,
    ];
    const link = [...links].find((one) => ends.some((end) => one.getAttribute("href").endsWith(end)));
    return link && link.closest("td");
  };

  const show = () => {
    const names = new Map();
    for (const each of open) {
      const cell = row_of(each);
      if (cell) names.set(cell, [...(names.get(cell) || []), each.name]);
    }
    for (const old of document.querySelectorAll("#main-table .coursehub-open")) {
      if (!names.has(old.closest("td"))) old.remove();
    }
    for (const [cell, who] of names) {
      let label = cell.querySelector(".coursehub-open");
      if (!label) {
        label = document.createElement("span");
        label.className = "label label-primary coursehub-open";
        cell.append(" ", label);
      }
      const text = `open now: ${[...new Set(who)].join(", ")}`;
      if (label.textContent !== text) label.textContent = text;
    }
  };

  const look = async () => {
    if (document.hidden) return;
    try {
      const place = `${base_url}/formgrader/api/open/assignment/${encodeURIComponent(assignment_id)}`;
      const answer = await fetch(place, { headers: { "X-XSRFToken": getCookie("_xsrf") } });
      if (answer.ok) ({ open } = await answer.json());
    } catch {
      return; // offline for a moment: the next look tells
    }
    show();
  };

  addEventListener("load", () => {
    $(document).on("draw.dt", show); // the list is sorted, or turned to another page
    $(document).ajaxComplete(() => setTimeout(show)); // it has come
    look();
    setInterval(look, EVERY);
  });
})();
