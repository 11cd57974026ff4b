// The chosen application: its charts, the sliders that rank the stored profiles again, its record.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const form = document.getElementById("what-if-form");
  const sliders = form.querySelector(".sliders");
  const results = document.getElementById("what-if-results");
  const charts = document.getElementById("charts");
  const costs = document.getElementById("cost");
  const kinds = document.getElementById("kind"); // of machine; null where there is a single one
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const STEPS = 200;
  const WORDS = { min: "at least", max: "at most", max_degradation: "below the best by at most" };
  let chosen = tabs[0].dataset.application;
  let current;
  let labels = [];

  const original = () => data.applications[chosen];
  const known = (value) => value !== null && value !== undefined;

  function element(tag, properties, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  function number(value) {
    const sizes = [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e4, " k"]];
    const [size, letter] = sizes.find(([least]) => Math.abs(value) >= least) ?? [1, ""];
    const scaled = value / (letter === " k" ? 1e3 : size);
    return `${scaled.toLocaleString("en", { maximumSignificantDigits: 3 })}${letter}`;
  }

  const write = (value, metric) => `${number(value)} ${data.metrics[metric].unit}`.trim().replace(/^1 cores$/, "1 core");
  const quality = (value) => (value === 0 || (Math.abs(value) >= 0.0005 && Math.abs(value) < 10)
    ? value.toFixed(3) : number(value));
  const between = ([low, high], as) => (known(low) && known(high) ? ` (${as(low)}–${as(high)})` : "");
  const sentence = (text) => text[0].toUpperCase() + text.slice(1);
  const faultOf = ({ utility, excess }) => (Number.isNaN(utility) || excess === Infinity ? "lacks a measurement" : "breaks a limit");

  // ── The decision: the card's winner stands among practically equal candidates. ──

  function decide(dataset, application) {
    const { kinds: others, ...here } = data.decisions[chosen][dataset];
    const { path, ...decision } = others?.[kinds?.value] ?? { ...here, path: application.path };
    const pool = data.profiles[dataset].filter((profile) => profile.path === path);
    const ranked = Ranking.rank(pool, application, decision);
    const winner = Ranking.choose(ranked, application);
    return { dataset, decision, ranked, winner };
  }

  // ── Charts ──

  function markOf(one, cost) {
    const [y, ...yEnds] = one.quality;
    return {
      one, x: one.values[cost], y, ends: { x: one.ends[cost] ?? [null, null], y: yEnds },
      feasible: one.feasible, ...data.marks[one.model],
    };
  }

  function limitsOf({ dataset, ranked }, cost) {
    const { worst, best } = data.datasets[dataset];
    return current.limits.flatMap((limit, i) => {
      if (limit.metric === cost) return [{ axis: "x", value: limit.value, kind: limit.kind }];
      if (!limit.metric.startsWith("quality") || !ranked.length) return [];
      const bound = ranked[0].bounds[i];
      const raw = limit.metric === "quality" ? worst + bound * (best - worst) : bound;
      return [{ axis: "y", value: raw, kind: "min" }];
    });
  }

  // Named as on the card.
  function title({ winner, ranked }) {
    if (winner) return `${winner.candidate} (${winner.serving})`;
    return ranked.some((one) => one.undecided) ? "undecided" : "none qualifies";
  }

  function describe(decided, marks, cost, quantity) {
    const { winner } = decided;
    const top = marks.reduce((best, mark) => (!best || mark.y > best.y ? mark : best), null);
    if (!winner) return { top, text: `${sentence(title(decided))}.` };
    const own = marks.find((mark) => mark.one === winner);
    if (!own) { // a cost of 0 has no place on a log scale
      const { x } = markOf(winner, cost);
      const [measured, value] = x > 0 ? [quantity, null] : [data.metrics[cost].name, x];
      const what = known(value) ? write(value, cost) : "not measured";
      return { top, text: `${winner.candidate} fits best; it is not drawn, since its ${measured} is ${what}.` };
    }
    if (!(top.y > own.y)) return { top: own, text: `${winner.candidate} has the best ${quantity}, too.` };
    const ratio = top.x / own.x;
    const more = ratio > 1 ? `${number(ratio)} × the` : `1/${number(1 / ratio)} of the`;
    const times = ratio < 1.1 && ratio > 0.9 ? "about the same" : more;
    const gain = `${quality(top.y - own.y)} more ${quantity}`;
    return { top, text: `${top.one.candidate} has ${gain}, at ${times} ${data.metrics[cost].name}.` };
  }

  function drawChart(figure, decided) {
    const { dataset, ranked, winner } = decided;
    const { name, quality: quantity } = data.datasets[dataset];
    const cost = costs.value;
    const { title: xTitle, better } = data.metrics[cost];
    const marks = ranked.map((one) => markOf(one, cost)).filter((mark) => mark.x > 0 && known(mark.y));
    const { top, text } = describe(decided, marks, cost, quantity);
    for (const mark of marks) {
      if (mark === top) Object.assign(mark, { role: "top", label: `${mark.one.candidate}, best ${quantity}` });
      if (mark.one === winner) Object.assign(mark, { role: "winner", label: mark.one.candidate });
      mark.text = [
        mark.one.candidate, mark.one.serving,
        `${quantity} ${quality(mark.y)}${between(mark.ends.y, quality)}`,
        `${data.metrics[cost].name} ${write(mark.x, cost)}${between(mark.ends.x, number)}`,
        ...(mark.feasible ? [] : [faultOf(mark.one)]),
      ];
    }
    figure.querySelector("figcaption").replaceChildren(
      element("b", { textContent: name }), ` ${quantity} on all test rows. ${text}`,
    );
    const div = figure.querySelector("div");
    if (!marks.length) return div.replaceChildren();
    const wins = winner ? `${winner.candidate} wins.` : "";
    return Chart.draw(div, {
      marks, better, limits: limitsOf(decided, cost), write: number,
      xTitle: `${xTitle}, ${better} is better`,
      alt: `${name}: ${quantity} against ${data.metrics[cost].name}. ${wins} ${text}`,
    });
  }

  // ── What if ──

  // A slider runs from 0 to STEPS; limits that span decades move on a log scale.
  function scaleOf(limit) {
    const measured = Object.values(data.profiles).flat().map((profile) => profile.values[limit.metric]);
    const values = measured.filter(known).concat(limit.value);
    if (limit.kind === "max_degradation") return { low: 0, high: Math.max(0.2, 2 * limit.value), log: false };
    const low = Math.min(...values), high = Math.max(...values);
    return { low, high, log: low > 0 && high / low > 20 };
  }

  function fromStep(step, { low, high, log }) {
    const share = step / STEPS;
    return Number((log ? low * (high / low) ** share : low + share * (high - low)).toPrecision(3));
  }

  function toStep(value, { low, high, log }) {
    return STEPS * (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low || 1));
  }

  // One slider; its label is written anew whenever any of them moves.
  function slider(text, { max, step, value, label, move }) {
    const shown = element("strong", {});
    const input = element("input", { type: "range", min: 0, max, step, value, ariaLabel: text });
    input.addEventListener("input", () => { move(input.valueAsNumber); show(); });
    labels.push(() => {
      shown.textContent = label();
      input.setAttribute("aria-valuetext", shown.textContent);
    });
    return element("label", { className: "slider" }, element("span", { textContent: text }), shown, input);
  }

  function weightSlider(goal) {
    return slider(`Weight of ${data.metrics[goal.metric].weighed}`, {
      max: Math.max(10, 2 * goal.weight), step: 0.1, value: goal.weight,
      label: () => {
        const total = current.objectives.reduce((sum, other) => sum + other.weight, 0);
        return `${goal.weight} (${Math.round(100 * goal.weight / (total || 1))} %)`;
      },
      move: (weight) => { goal.weight = weight; },
    });
  }

  function limitSlider(limit) {
    const scale = scaleOf(limit);
    return slider(`Limit: ${data.metrics[limit.metric].name} ${WORDS[limit.kind]}`, {
      max: STEPS, step: 1, value: toStep(limit.value, scale),
      label: () => write(limit.value, limit.metric),
      move: (step) => { limit.value = fromStep(step, scale); },
    });
  }

  function showVerdict(decided) {
    const { dataset, ranked, winner } = decided;
    const [before, now] = [decide(dataset, original()), decided].map(title);
    const changed = before !== now;
    const leader = ranked.find((one) => one.feasible);
    const more = leader && leader !== winner ? (leader.utility - winner.utility).toFixed(3) : "";
    const within = more && `; ${leader.candidate} has ${more} more utility, which is practically equal`;
    const stays = winner ? `${now} stays${within}` : `still ${now}`;
    const verdict = changed ? `${now} instead of ${before}` : stays;
    const bars = ranked.slice(0, 4).map((one) => {
      const utility = Number.isNaN(one.utility) ? 0 : one.utility;
      const bar = element("span", { className: "bar" }, element("i", {}));
      bar.firstChild.style.setProperty("--value", utility);
      bar.firstChild.style.background = data.marks[one.model].color;
      const name = one.feasible ? one.candidate : `${one.candidate}, ${faultOf(one)}`;
      return element("li", { className: one.feasible ? "" : "out" }, name, bar,
        element("span", { textContent: Number.isNaN(one.utility) ? "–" : utility.toFixed(3) }));
    });
    return element("section", { className: changed ? "changed" : "" },
      element("h3", { textContent: data.datasets[dataset].name }),
      element("p", { textContent: verdict }), element("ol", {}, ...bars));
  }

  function changes() {
    const prefix = `applications.${chosen}`;
    const weights = current.objectives
      .filter((goal, i) => goal.weight !== original().objectives[i].weight)
      .map((goal) => `${prefix}.objectives.${goal.metric}.weight=${goal.weight}`);
    const limits = current.limits
      .filter((limit, i) => limit.value !== original().limits[i].value)
      .map((limit) => `${prefix}.${limit.written_as}=${limit.value * limit.per_unit}`);
    return [...weights, ...limits];
  }

  function show() {
    labels.forEach((relabel) => relabel());
    const datasets = Object.keys(data.decisions[chosen]);
    const decided = datasets.map((dataset) => decide(dataset, current));
    while (charts.children.length > decided.length) charts.lastChild.remove();
    while (charts.children.length < decided.length) {
      charts.append(element("figure", {}, element("figcaption", {}), element("div", {})));
    }
    decided.forEach((one, i) => drawChart(charts.children[i], one));
    results.replaceChildren(...decided.map(showVerdict));
    const changed = changes();
    document.getElementById("what-if-command").textContent = "kedro run --pipelines ranking"
      + (changed.length ? ` --params "${changed.join(",")}"` : "");
  }

  function restart() {
    current = structuredClone(original());
    labels = [];
    sliders.replaceChildren(...current.objectives.map(weightSlider), ...current.limits.map(limitSlider));
    show();
  }

  form.addEventListener("reset", (event) => { event.preventDefault(); restart(); });
  costs.addEventListener("change", show);
  kinds?.addEventListener("change", () => {
    for (const cell of document.querySelectorAll(".matrix td[id]")) {
      const views = [...cell.querySelectorAll(".kind")];
      const shown = views.find((view) => view.dataset.kind === kinds.value) ?? views[0];
      views.forEach((view) => { view.hidden = view !== shown; });
    }
    show();
  });

  // ── Tabs, records, copying, printing ──

  function choose(application) {
    chosen = application;
    for (const tab of tabs) {
      const isChosen = tab.dataset.application === application;
      tab.setAttribute("aria-selected", isChosen);
      tab.tabIndex = isChosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !isChosen;
    }
    document.querySelectorAll(".matrix [data-application]").forEach(
      (cell) => cell.classList.toggle("chosen", cell.dataset.application === application),
    );
    const { textContent } = document.getElementById(`tab-${application}`);
    document.querySelectorAll(".chosen-application").forEach((node) => Object.assign(node, { textContent }));
    costs.replaceChildren(...original().costs.map((metric) => new Option(data.metrics[metric].name, metric)));
    restart();
  }

  document.querySelectorAll(".matrix [data-application]").forEach((cell) => {
    cell.addEventListener("click", () => choose(cell.dataset.application));
  });
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => choose(tab.dataset.application));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const to = tabs[(i + (step ?? 0) + tabs.length) % tabs.length];
      if (step) { choose(to.dataset.application); to.focus(); }
    });
  });

  // A link to a record opens its application first, from the page's address too.
  function follow() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const panel = target?.closest(".panel");
    if (panel?.hidden) choose(panel.id.slice("panel-".length));
    if (target?.matches("details")) target.open = true;
    target?.scrollIntoView();
  }
  addEventListener("hashchange", follow);

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = "copied";
        setTimeout(() => { button.textContent = "copy"; }, 1500);
      } catch { // not allowed to: let the reader copy
        prompt("Settings", button.dataset.copy);
      }
    });
  }

  for (const button of document.querySelectorAll(".print")) {
    button.addEventListener("click", () => {
      document.body.classList.add("one-record");
      button.closest(".panel").querySelectorAll("details").forEach((details) => { details.open = true; });
      print();
    });
  }
  addEventListener("beforeprint", () => {
    if (document.body.classList.contains("one-record")) return;
    document.querySelectorAll("details").forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => document.body.classList.remove("one-record"));

  const families = Object.values(data.marks).map(({ name, color, symbol }) => {
    const mark = element("span", { className: `mark ${symbol}` });
    mark.style.setProperty("--family", color);
    return element("span", {}, mark, name);
  });
  document.getElementById("families").replaceChildren(...families);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; show(); } });
  choose(chosen);
  follow();
})();
