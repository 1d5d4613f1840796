// The formgrader's page of a hand-in: who else has it open, and comments that were used before.
"use strict";
(() => {
  const EVERY = 30000; // milliseconds
  const xsrf = () => ({ "X-XSRFToken": getCookie("_xsrf") });
  const made = (tag, about = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), about);
    element.append(...children);
    return element;
  };

  // Who has it open.
  const place = `${base_url}/api/open/submission/${encodeURIComponent(submission_id)}`;
  const others = made("p", { className: "coursehub-others", hidden: true });
  others.setAttribute("role", "status");

  const say = async () => {
    try {
      const answer = await fetch(place, { method: "POST", headers: xsrf() });
      if (!answer.ok) return;
      const names = (await answer.json()).open.map((each) => each.name);
      const text = names.length ? `${names.join(", ")} also has this hand-in open.` : "";
      if (others.textContent !== text) others.textContent = text;
      others.hidden = !text;
    } catch {
      // Offline for a moment: it is said again.
    }
  };
  const leave = () => fetch(place, { method: "DELETE", headers: xsrf(), keepalive: true });

  // Comments that were used before.
  const offer = (box, number) => {
    const cell = box.id.replace(/-comment$/, "");
    const button = made("button", { type: "button", className: "btn btn-default btn-xs" });
    button.textContent = "Used before (Alt+↓)";
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-label", `Comments used before for ${cell}, Alt and arrow down`);
    box.setAttribute("aria-keyshortcuts", "Alt+ArrowDown");
    if (!box.hasAttribute("aria-label")) box.setAttribute("aria-label", `Comment on ${cell}`);
    const part = made("div", { className: "coursehub-used" }, button);
    box.after(part);
    const id = `coursehub-used-${number}`;
    let at = [0, 0];
    let picker = null;

    const close = () => {
      const old = picker;
      picker = null; // removing it takes the focus from its field, which closes it too
      if (!old) return;
      old.remove();
      button.setAttribute("aria-expanded", "false");
    };

    const back = () => {
      close();
      box.focus();
      box.setSelectionRange(...at);
    };

    // As if it were typed: it can be undone, and is saved as whatever is typed is.
    const insert = (text) => {
      back();
      if (!document.execCommand("insertText", false, text)) {
        box.setRangeText(text, ...at, "end");
        const changed = () => box.dispatchEvent(new Event("change", { bubbles: true }));
        box.addEventListener("blur", changed, { once: true });
      }
      if (typeof autosize !== "undefined") autosize.update(box);
    };

    const show = (comments) => {
      const field = made("input", { type: "text", autocomplete: "off" });
      const list = made("ul", { id });
      const none = made("p", { hidden: true });
      none.setAttribute("role", "status");
      for (const [name, value] of Object.entries({
        role: "combobox", "aria-expanded": "true", "aria-controls": id,
        "aria-autocomplete": "list", "aria-label": `Filter comments used before for ${cell}`,
      })) field.setAttribute(name, value);
      list.setAttribute("role", "listbox");
      list.setAttribute("aria-label", "Comments used before, the most used first");
      let shown = [];
      let chosen = 0;

      const choose = (index) => {
        chosen = Math.max(0, Math.min(index, shown.length - 1));
        [...list.children].forEach((each, here) => {
          each.setAttribute("aria-selected", String(here === chosen));
        });
        const option = list.children[chosen];
        field.setAttribute("aria-activedescendant", option ? option.id : "");
        if (option) option.scrollIntoView({ block: "nearest" });
      };

      const filter = () => {
        const words = field.value.toLowerCase().split(/\s+/);
        shown = comments.filter(({ text }) => words.every((word) => text.toLowerCase().includes(word)));
        list.replaceChildren(
          ...shown.map(({ text, times }, index) => {
            const many = made("span", { className: "times" }, ` (${times}×)`);
            const option = made("li", { id: `${id}-${index}` }, text, many);
            option.setAttribute("role", "option");
            option.addEventListener("mousedown", (event) => {
              event.preventDefault();
              insert(text);
            });
            return option;
          }),
        );
        list.hidden = !shown.length;
        none.hidden = Boolean(shown.length);
        none.textContent = comments.length ? "None has these words." : "Nobody has commented on this cell yet.";
        choose(0);
      };

      const keys = {
        ArrowDown: () => choose(chosen + 1),
        ArrowUp: () => choose(chosen - 1),
        Enter: () => (shown.length ? insert(shown[chosen].text) : back()),
        Escape: back,
        Tab: back,
      };
      field.addEventListener("keydown", (event) => {
        event.stopPropagation(); // the formgrader has shortcuts of its own
        if (!keys[event.key]) return;
        event.preventDefault();
        keys[event.key]();
      });
      field.addEventListener("input", filter);
      field.addEventListener("blur", close);
      picker = made("div", { className: "picker" }, field, list, none);
      part.append(picker);
      button.setAttribute("aria-expanded", "true");
      filter();
      field.focus();
      picker.scrollIntoView({ block: "nearest" });
    };

    const open = async () => {
      at = [box.selectionStart, box.selectionEnd];
      const from = `${base_url}/api/comments_used/${encodeURIComponent(submission_id)}/${encodeURIComponent(cell)}`;
      const answer = await fetch(from, { headers: xsrf() });
      close();
      if (answer.ok) show((await answer.json()).comments);
    };

    button.addEventListener("mousedown", (event) => event.preventDefault()); // the cursor stays
    button.addEventListener("click", () => (picker ? back() : open()));
    box.addEventListener("keydown", (event) => {
      if (!event.altKey || event.key !== "ArrowDown") return;
      event.preventDefault();
      open();
    });
  };

  addEventListener("load", () => {
    document.body.append(others);
    document.querySelectorAll("textarea.comment").forEach(offer);
    say();
    setInterval(say, EVERY);
  });
  addEventListener("pageshow", (event) => event.persisted && say());
  addEventListener("pagehide", leave);
})();
