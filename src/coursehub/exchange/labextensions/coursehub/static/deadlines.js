// Writes due dates, time left, the standing of each hand-in and what its visible tests said into
// nbgrader's Assignment List.
//
// A prebuilt JupyterLab extension without a build step: it is the container that JupyterLab's
// module federation expects, and needs no module of JupyterLab's own.
(() => {
  const LIST = "#released_assignments_list, #fetched_assignments_list, #submitted_assignments_list";
  const MARK = "coursehub-note";
  const [SOON, MINUTE] = [2000, 60000]; // milliseconds
  const STYLE = `.${MARK} { display: block; font-size: 0.9em; color: var(--jp-ui-font-color2); white-space: pre-line; }`;

  const baseUrl = () =>
    JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl;

  // The hub lets a script in only with the token of its own page, as JupyterLab's scripts send it.
  const pageToken = () => (document.cookie.match(/\b_xsrf=([^;]*)/) || ["", ""])[1];

  const fetchNotes = async () => {
    const headers = { "X-XSRFToken": pageToken() };
    const answer = await fetch(`${baseUrl()}coursehub/deadlines`, { headers });
    return answer.ok ? answer.json() : { assignments: {}, hand_ins: {} };
  };

  const write = (name, text) => {
    let note = name.querySelector(`.${MARK}`);
    if (!note) {
      note = document.createElement("span");
      note.className = MARK;
      name.append(note);
    }
    if (note.textContent !== text) note.textContent = text;
  };

  const annotate = (notes) => {
    for (const name of document.querySelectorAll(`${LIST}`.split(", ").map((list) => `${list} .item_name`).join(", "))) {
      const own = name.firstChild ? name.firstChild.textContent.trim() : "";
      const inside = name.closest(".nested_list_item"); // a notebook, or one hand-in
      const text = (inside ? notes.hand_ins : notes.assignments)[own];
      if (text) write(name, text);
    }
  };

  const watch = () => {
    const style = document.createElement("style");
    style.textContent = STYLE;
    document.head.append(style);
    let asked = null;
    let pause = SOON;
    const ask = (milliseconds) => {
      clearTimeout(asked);
      asked = setTimeout(refresh, milliseconds);
    };
    const refresh = async () => {
      try {
        const notes = await fetchNotes();
        annotate(notes);
        if (notes.pending && document.querySelector(LIST)) {
          ask(pause);
          pause = Math.min(2 * pause, MINUTE); // tests that wait for long are not asked for often
        }
      } catch (error) {
        console.warn("CourseHub: the deadlines could not be read.", error);
      }
    };
    const added = (records) =>
      records.some((record) =>
        [...record.addedNodes].some((node) => node.nodeType === 1 && node.closest(LIST) && !node.classList.contains(MARK)),
      );
    new MutationObserver((records) => {
      if (!added(records)) return;
      pause = SOON;
      ask(100);
    }).observe(document.body, { childList: true, subtree: true });
    setInterval(() => document.querySelector(LIST) && refresh(), MINUTE);
  };

  const plugin = { id: "coursehub:deadlines", autoStart: true, activate: watch };
  (window._JUPYTERLAB = window._JUPYTERLAB || {}).coursehub = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
