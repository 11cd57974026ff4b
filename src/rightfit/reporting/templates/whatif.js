// The what-if page: sliders of weights and limits re-rank the stored profiles.
"use strict";

(() => {
  const form = document.getElementById("what-if-form");
  if (!form) return;
  const data = JSON.parse(document.getElementById("what-if-data").textContent);
  const picker = form.querySelector("select");
  const sliders = form.querySelector(".sliders");
  const results = document.getElementById("what-if-results");
  const command = document.getElementById("what-if-command");
  const STEPS = 200;
  let current;
  let labels = [];

  const original = () => data.applications[picker.value];

  function element(tag, properties, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  function write(value, metric) {
    const { unit } = data.metrics[metric];
    const [size, letter] = [[1e12, "T "], [1e9, "G "], [1e6, "M "], [1e4, "k "]].find(([least]) => Math.abs(value) >= least) ?? [1, ""];
    const number = value / (letter === "k " ? 1e3 : size);
    return `${number.toLocaleString("en", { maximumSignificantDigits: 3 })} ${letter}${unit}`.trim();
  }

  // A slider runs from 0 to STEPS; limits that span decades move on a log scale.
  function scaleOf(limit) {
    const measured = Object.values(data.profiles).flat().map((profile) => profile.values[limit.metric]);
    const values = measured.filter((value) => value !== null).concat(limit.value);
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
    return slider(`Weight of ${data.metrics[goal.metric].name}`, {
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
    const words = { min: "at least", max: "at most", max_degradation: "below the best by at most" };
    return slider(`Limit: ${data.metrics[limit.metric].name} ${words[limit.kind]}`, {
      max: STEPS, step: 1, value: toStep(limit.value, scale),
      label: () => write(limit.value, limit.metric),
      move: (step) => { limit.value = fromStep(step, scale); },
    });
  }

  function title(winner) {
    return winner.feasible ? `${winner.candidate} (${winner.serving})` : "none qualifies";
  }

  function showDataset(dataset, measured) {
    const profiles = measured.filter((profile) => profile.path === current.path);
    const before = Ranking.rank(profiles, original())[0];
    const ranked = Ranking.rank(profiles, current);
    const changed = title(before) !== title(ranked[0]);
    const verdict = changed ? `${title(ranked[0])} instead of ${title(before)}` : `${title(before)} still wins`;
    const bars = ranked.slice(0, 4).map((candidate) => {
      const utility = Number.isNaN(candidate.utility) ? 0 : candidate.utility;
      const bar = element("span", { className: "bar" });
      bar.style.setProperty("--value", utility);
      bar.style.setProperty("--family", data.colors[candidate.model]);
      const number = element("span", { className: "number", textContent: utility.toFixed(3) });
      const name = candidate.feasible ? candidate.candidate : `${candidate.candidate}, breaks a limit`;
      return element("li", { className: candidate.feasible ? "" : "out" }, name, bar, number);
    });
    return element(
      "section", { className: changed ? "changed" : "" },
      element("h3", { textContent: data.datasets[dataset] }),
      element("p", { textContent: verdict }), element("ol", {}, ...bars),
    );
  }

  function changes() {
    const prefix = `applications.${picker.value}`;
    const weights = current.objectives
      .filter((goal, i) => goal.weight !== original().objectives[i].weight)
      .map((goal) => `${prefix}.objectives.${goal.metric}.weight=${goal.weight}`);
    const limits = current.limits
      .filter((limit, i) => limit.value !== original().limits[i].value)
      .map((limit) => `${prefix}.constraints.${limit.metric}.${limit.kind}=${limit.value}`);
    return [...weights, ...limits];
  }

  function show() {
    labels.forEach((write) => write());
    results.replaceChildren(...Object.entries(data.profiles).map((entry) => showDataset(...entry)));
    const changed = changes();
    command.textContent = "kedro run --pipelines ranking"
      + (changed.length ? ` --params "${changed.join(",")}"` : "");
  }

  function restart() {
    current = structuredClone(original());
    labels = [];
    sliders.replaceChildren(
      ...current.objectives.map(weightSlider), ...current.limits.map(limitSlider),
    );
    show();
  }

  picker.addEventListener("change", restart);
  form.addEventListener("reset", () => {
    const kept = picker.value;
    setTimeout(() => { picker.value = kept; restart(); });
  });
  restart();
})();
