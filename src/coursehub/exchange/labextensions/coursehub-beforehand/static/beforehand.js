// Looks at a hand-in when Submit is pressed in nbgrader's Assignment List, and says what might cost
// marks; with nothing to say, or where the look fails, it is handed in at once. The visible tests are
// run if the student likes, and nobody has to wait for them.
//
// A prebuilt JupyterLab extension without a build step, as deadlines.js.
(() => {
  const LIST = "#fetched_assignments_list";
  const STYLE = `
    .coursehub-beforehand { max-width: min(34rem, calc(100vw - 32px)); border: 1px solid var(--jp-border-color1);
      border-radius: 4px; padding: 20px; color: var(--jp-ui-font-color1); background: var(--jp-layout-color1);
      font-size: var(--jp-ui-font-size2); line-height: 1.45; }
    .coursehub-beforehand::backdrop { background: rgb(0 0 0 / 45%); }
    .coursehub-beforehand h2 { margin: 0 0 8px; font-size: var(--jp-ui-font-size3); }
    .coursehub-beforehand li { margin: 4px 0; overflow-wrap: anywhere; }
    .coursehub-beforehand form { display: flex; flex-wrap: wrap; gap: 8px; justify-content: flex-end; margin-top: 16px; }
    .coursehub-beforehand form button:first-child { margin-right: auto; }
    .coursehub-beforehand .tests { max-height: 40vh; overflow-y: auto; margin-top: 12px; }
    .coursehub-beforehand .tests p { margin: 4px 0; }
  `;

  const page = () => JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const pageToken = () => (document.cookie.match(/\b_xsrf=([^;]*)/) || ["", ""])[1];

  const nameOf = (button) => {
    const line = button.closest(".list_item");
    const name = line && line.querySelector(".item_name");
    return name && name.firstChild ? name.firstChild.textContent.trim() : "";
  };

  // JupyterLab marks the tab of a document that is not saved, and names its path in the title.
  const unsaved = (assignment) =>
    [...document.querySelectorAll(".lm-TabBar-tab.jp-mod-dirty")]
      .map((tab) => (tab.title.match(/^Path: (.*)$/m) || ["", ""])[1])
      .filter((path) => path.startsWith(`${assignment}/`))
      .map((path) => `${path} has changes that are not saved; what is saved is handed in.`);

  const look = async (assignment) => {
    const query = new URLSearchParams({ assignment });
    const headers = { "X-XSRFToken": pageToken() };
    const answer = await fetch(`${page().baseUrl}coursehub/beforehand?${query}`, { headers });
    return answer.ok ? answer.json() : { deadline: "", remarks: [] };
  };

  const element = (name, text) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    return made;
  };

  const run = async (path) => {
    const answer = await fetch(`${page().baseUrl}assignments/validate/tests`, {
      method: "POST",
      headers: { "X-XSRFToken": pageToken(), "Content-Type": "application/json" },
      body: JSON.stringify({ path }),
    });
    return answer.ok ? answer.json() : { problem: "They could not be run; Validate says more." };
  };

  // Task by task: how many passed, and what those say that did not.
  const byTask = (tests) => {
    const tasks = new Map();
    for (const test of tests) tasks.set(test.task, [...(tasks.get(test.task) || []), test]);
    const list = element("ul");
    for (const [task, theirs] of tasks) {
      const failed = theirs.filter((test) => !test.passed);
      const line = element("li", `${task}: ${theirs.length - failed.length} of ${theirs.length} passed`);
      if (failed.length) {
        const why = element("ul");
        why.append(...failed.map(({ name, message }) => element("li", `${name}: ${message || "not passed"}`)));
        line.append(why);
      }
      list.append(line);
    }
    return list;
  };

  const tell = (place, told) => {
    if (told.problem) return place.append(element("p", told.problem));
    const passed = told.tests.filter((test) => test.passed).length;
    place.append(element("p", `${passed} of ${told.tests.length} visible tests passed.`), byTask(told.tests));
  };

  // The button that runs them, and where their results come; what is saved is run.
  const offer = (notebooks) => {
    const button = element("button", "Run the visible tests");
    button.type = "button";
    button.className = "jp-mod-styled";
    const results = element("div");
    results.className = "tests";
    results.tabIndex = 0;
    results.hidden = true;
    results.setAttribute("role", "status");
    results.setAttribute("aria-label", "Visible tests");
    button.addEventListener("click", async () => {
      button.disabled = true;
      results.hidden = false;
      results.replaceChildren(element("p", "They are being run. You can hand in meanwhile."));
      results.focus();
      try {
        const told = await Promise.all(notebooks.map(run));
        results.replaceChildren();
        told.forEach((each) => tell(results, each));
      } catch (error) {
        results.replaceChildren(element("p", "They could not be run: the server does not answer."));
      }
      button.disabled = false;
    });
    return { button, results };
  };

  // Resolves to whether to hand in; the keyboard's Escape goes back.
  const ask = (assignment, told) =>
    new Promise((resolve) => {
      const box = element("dialog");
      box.className = "coursehub-beforehand";
      const title = element("h2", `Before you hand in ${assignment}`);
      title.id = "coursehub-beforehand-title";
      box.setAttribute("aria-labelledby", title.id);
      const list = element("ul");
      list.append(...told.remarks.map((text) => element("li", text)));
      const form = element("form");
      form.method = "dialog";
      const tests = offer(told.notebooks || []);
      if (told.notebooks && told.notebooks.length) form.append(tests.button);
      for (const [words, value, look] of [
        ["Go back", "back", "jp-mod-reject"],
        ["Hand in anyway", "hand-in", "jp-mod-accept"],
      ]) {
        const button = element("button", words);
        button.value = value;
        button.className = `jp-mod-styled ${look}`;
        form.append(button);
      }
      box.append(title, list);
      if (told.deadline) box.append(element("p", `It is ${told.deadline}.`));
      box.append(tests.results, form);
      box.addEventListener("close", () => {
        box.remove();
        resolve(box.returnValue === "hand-in");
      });
      document.body.append(box);
      box.showModal();
    });

  const submit = (button) => {
    button.dataset.looked = "yes";
    button.click();
    delete button.dataset.looked;
  };

  const check = async (button, assignment) => {
    button.disabled = true;
    let told = { deadline: "", remarks: [] };
    try {
      told = await look(assignment);
    } catch (error) {
      console.warn("CourseHub: the hand-in could not be looked at.", error);
    }
    button.disabled = false;
    told.remarks = [...unsaved(assignment), ...told.remarks];
    if (!told.remarks.length || (await ask(assignment, told))) submit(button);
  };

  const activate = () => {
    const style = element("style", STYLE);
    document.head.append(style);
    document.addEventListener(
      "click",
      (event) => {
        const button = event.target.closest && event.target.closest(`${LIST} button`);
        if (!button || button.textContent.trim() !== "Submit" || button.dataset.looked) return;
        const assignment = nameOf(button);
        if (!assignment) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        check(button, assignment);
      },
      { capture: true },
    );
  };

  const plugin = { id: "coursehub-beforehand:submit", autoStart: true, activate };
  (window._JUPYTERLAB = window._JUPYTERLAB || {})["coursehub-beforehand"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
