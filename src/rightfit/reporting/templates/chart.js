// A scatter chart as SVG: quality against a cost, with limits, the Pareto front and two named marks.
"use strict";

const Chart = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const HEIGHT = 250, LEFT = 46, RIGHT = 14, TOP = 14, BOTTOM = 44, RING = 9;
  const SHAPES = {
    circle: "M5,0A5,5 0 1 1 -5,0A5,5 0 1 1 5,0Z",
    square: "M-4.5,-4.5H4.5V4.5H-4.5Z",
    diamond: "M0,-6L6,0L0,6L-6,0Z",
    "triangle-up": "M0,-6L6,5H-6Z",
    cross: "M-2,-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
    pentagon: "M0,-6L5.7,-1.9L3.5,4.9H-3.5L-5.7,-1.9Z",
  };

  function svg(tag, attributes, ...children) {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  function niceStep(span, n) {
    const size = 10 ** Math.floor(Math.log10(span / n));
    return [1, 2, 5, 10].map((factor) => factor * size).find((step) => span / step <= n);
  }

  function linearTicks(low, high) {
    const step = niceStep(high - low, 4);
    const first = Math.ceil(low / step - 1e-9);
    const n = Math.floor((high - first * step) / step + 1e-9);
    // a loss in the unit of its target may have more digits than there is room for
    const [size, letter] = [[1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([least]) => Math.max(-low, high) >= 10 * least) ?? [1, ""];
    const digits = Math.max(0, -Math.floor(Math.log10(step / size) + 1e-9));
    return Array.from({ length: n + 1 }, (_, i) => (first + i) * step)
      .map((tick) => [tick, `${(tick / size).toFixed(digits)}${letter}`]);
  }

  function logTicks(low, high, write, room) {
    for (const factors of [[1, 2, 5], [1, 3], [1]]) {
      const ticks = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
        ticks.push(...factors.map((factor) => factor * 10 ** power).filter((x) => x >= low && x <= high));
      }
      if (ticks.length <= room || factors.length === 1) return ticks.map((tick) => [tick, write(tick)]);
    }
    return [];
  }

  function costTicks(low, high, write, room) {
    if (high / low > 12) return logTicks(low, high, write, room);
    return linearTicks(low, high).map(([tick]) => [tick, write(tick)]);
  }

  // The best cost first; each next one of the front has a higher quality.
  function paretoFront(marks, better) {
    const ordered = [...marks].sort((a, b) => (better === "lower" ? a.x - b.x : b.x - a.x) || b.y - a.y);
    let best = -Infinity;
    return ordered.filter((mark) => mark.y > best && ((best = mark.y), true));
  }

  const overlap = (a, b) => Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left))
    * Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));

  // Put a label where it covers nothing: around its mark, then further away.
  function placeLabel(label, at, taken, frame) {
    const { width, height } = label.getBBox();
    let best = null;
    for (const distance of [RING + 4, 24, 40, 60]) {
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [1, 1], [-1, -1], [-1, 1]]) {
        const left = at.px + dx * distance - (dx < 0 ? width : dx === 0 ? width / 2 : 0);
        const middle = at.py + dy * (distance + (dx === 0 ? height / 2 : 0));
        const box = { left, right: left + width, top: middle - height / 2, bottom: middle + height / 2 };
        const inside = { left: Math.max(box.left, frame.left), right: Math.min(box.right, frame.right),
          top: Math.max(box.top, frame.top), bottom: Math.min(box.bottom, frame.bottom) };
        const outside = width * height - Math.max(0, inside.right - inside.left) * Math.max(0, inside.bottom - inside.top);
        const cost = 4 * outside + taken.reduce((sum, other) => sum + overlap(box, other), 0) + distance / 100;
        if (!best || cost < best.cost) best = { cost, box, distance };
      }
    }
    label.setAttribute("x", best.box.left);
    label.setAttribute("y", best.box.bottom - height * 0.24);
    taken.push(best.box);
    return best.distance > 2 * RING ? lineTo(best.box, at) : "";
  }

  // From a mark's ring to the nearest point of a label that lies apart from it.
  function lineTo(box, { px, py }) {
    const x = Math.min(box.right, Math.max(box.left, px));
    const y = Math.min(box.bottom, Math.max(box.top, py));
    const share = RING / Math.hypot(x - px, y - py);
    return svg("line", { class: "leader", x1: px + share * (x - px), y1: py + share * (y - py), x2: x, y2: y });
  }

  /** Draw into a figure: marks {x, y, ends, color, symbol, feasible, label?}, limits {axis, value, kind}. */
  function draw(div, { marks, limits, better, write, xTitle, alt }) {
    const width = Math.max(div.clientWidth, 240);
    const frame = { left: LEFT, right: width - RIGHT, top: TOP, bottom: HEIGHT - BOTTOM };
    const named = marks.filter((mark) => mark.label);
    const onX = limits.filter((limit) => limit.axis === "x");
    const inReach = onX.filter(({ value }) => marks.every(({ x }) => value / x < 300 && x / value < 300));
    const xs = [...marks.map((mark) => mark.x), ...inReach.map((limit) => limit.value)];
    const pad = (Math.max(...xs) / Math.min(...xs)) ** 0.08 * 1.05;
    const [xLow, xHigh] = [Math.min(...xs) / pad, Math.max(...xs) * pad];
    const ends = named.flatMap((mark) => mark.ends.y).filter((end) => end !== null);
    const ys = [...marks.map((mark) => mark.y), ...ends];
    const span = Math.max(...ys) - Math.min(...ys) || 0.01;
    const floors = limits.filter(({ axis, value }) => axis === "y" && value > Math.min(...ys) - span / 2);
    const yLow = Math.min(...ys, ...floors.map((limit) => limit.value)) - 0.08 * span;
    const yHigh = Math.max(...ys) + 0.08 * span;
    const xAt = (x) => LEFT + (frame.right - LEFT) * Math.log(x / xLow) / Math.log(xHigh / xLow);
    const yAt = (y) => frame.bottom - (frame.bottom - TOP) * (y - yLow) / (yHigh - yLow);

    const root = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": alt });
    for (const { axis, value, kind } of [...inReach, ...floors]) {
      const at = axis === "x" ? xAt(value) : yAt(value);
      const box = axis === "y" ? { x: LEFT, y: at, width: frame.right - LEFT, height: frame.bottom - at }
        : kind === "max" ? { x: at, y: TOP, width: frame.right - at, height: frame.bottom - TOP }
        : { x: LEFT, y: TOP, width: at - LEFT, height: frame.bottom - TOP };
      root.append(svg("rect", { class: "beyond", ...box }));
    }
    for (const [tick, text] of linearTicks(yLow, yHigh)) {
      root.append(svg("line", { class: "grid", x1: LEFT, x2: frame.right, y1: yAt(tick), y2: yAt(tick) }),
        svg("text", { class: "tick", x: LEFT - 6, y: yAt(tick) + 4, "text-anchor": "end" }, text));
    }
    for (const [tick, text] of costTicks(xLow, xHigh, write, width / 55)) {
      root.append(svg("text", { class: "tick", x: xAt(tick), y: frame.bottom + 16, "text-anchor": "middle" }, text));
    }
    root.append(svg("line", { class: "axis", x1: LEFT, x2: frame.right, y1: frame.bottom, y2: frame.bottom }),
      svg("text", { class: "title", x: (LEFT + frame.right) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, xTitle));
    const front = paretoFront(marks, better).map((mark) => `${xAt(mark.x)},${yAt(mark.y)}`);
    root.append(svg("polyline", { class: "front", points: front.join(" ") }));
    const whiskers = svg("g", { class: "whiskers" });
    root.append(whiskers);
    const taken = [];
    for (const mark of marks) {
      Object.assign(mark, { px: xAt(mark.x), py: yAt(mark.y) });
      const r = mark.label ? RING : 6;
      taken.push({ left: mark.px - r, right: mark.px + r, top: mark.py - r, bottom: mark.py + r });
      const style = mark.feasible ? `fill: ${mark.color}` : `stroke: ${mark.color}`;
      root.append(svg("path", { class: mark.feasible ? "mark" : "mark out", d: SHAPES[mark.symbol], style,
        transform: `translate(${mark.px},${mark.py})` }));
      if (mark.label) root.append(svg("circle", { class: `ring ${mark.role}`, cx: mark.px, cy: mark.py, r: RING }));
    }
    div.replaceChildren(root);
    for (const mark of named) {
      const label = svg("text", { class: `label ${mark.role}` }, mark.label);
      root.append(label);
      root.append(placeLabel(label, mark, taken, frame));
    }
    showNearest(root, whiskers, marks, { xAt, yAt, frame });
  }

  function showNearest(root, whiskers, marks, { xAt, yAt, frame }) {
    const tip = document.getElementById("tip");
    const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
    const line = (x1, y1, x2, y2) => svg("line", { x1, y1, x2, y2 });
    root.addEventListener("pointermove", (event) => {
      const origin = root.getBoundingClientRect();
      const [x, y] = [event.clientX - origin.left, event.clientY - origin.top];
      const distance = (mark) => Math.hypot(mark.px - x, mark.py - y);
      const near = marks.reduce((best, mark) => (distance(mark) < distance(best) ? mark : best), marks[0]);
      if (!near || distance(near) > 22) return hide();
      const [left, right] = near.ends.x.map((end) => end && clamp(xAt(end), frame.left, frame.right));
      const [low, high] = near.ends.y.map((end) => end && clamp(yAt(end), frame.top, frame.bottom));
      whiskers.replaceChildren(
        ...(left && right ? [line(left, near.py, right, near.py)] : []),
        ...(low && high ? [line(near.px, low, near.px, high)] : []),
      );
      tip.replaceChildren(...near.text.map((text, i) => Object.assign(document.createElement(i ? "span" : "b"), { textContent: text })));
      tip.hidden = false;
      tip.style.left = `${clamp(event.pageX + 14, 4, innerWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${event.pageY + 14}px`;
    });
    function hide() { tip.hidden = true; whiskers.replaceChildren(); }
    root.addEventListener("pointerleave", hide);
  }

  return { draw };
})();
