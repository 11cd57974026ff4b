// Draws the report's figures in the theme of the page and lets a native menu switch their views.
"use strict";

(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 640px)");
  const PRINT_WIDTH_PX = 680;
  let printing = false;

  function viewOf(figure, choice) {
    if (!figure.menu) return figure;
    const [visible, layout] = figure.menu[choice].args;
    const data = figure.data.map((trace, i) => ({ ...trace, visible: visible.visible[i] }));
    return { data, layout: { ...figure.layout, ...layout } };
  }

  function fitPhone(layout) {
    if (layout.yaxis.title) layout.yaxis.title.text = "";  // the caption names the quantity
    const label = layout.annotations?.find((annotation) => annotation.axref === "x");
    if (!label) return;
    const [low, high] = layout.xaxis.range;  // labels need a larger share of a narrow chart
    const room = (high - low) / 5;
    layout.xaxis.range = label.xanchor === "right" ? [low - room, high] : [low, high + room];
  }

  function draw(chart) {
    const { data, layout } = viewOf(chart.figure, chart.choice);
    const sized = printing ? { width: PRINT_WIDTH_PX } : { autosize: true };
    const small = narrow.matches && !printing;
    const own = structuredClone(layout);
    if (small) fitPhone(own);
    const head = own.showlegend === false || own.legend?.y < 0 ? 8 : small ? 64 : 44;
    Plotly.react(chart.div, structuredClone(data), {
      ...own,
      ...sized,
      title: undefined,
      template: themes[dark.matches && !printing ? "dark" : "light"],
      margin: { l: 4, r: 12, t: head, b: 8 },
      font: { size: small ? 11 : 13 },
      dragmode: false,
    }, { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false });
  }

  function menuFor(chart) {
    const select = document.createElement("select");
    chart.figure.menu.forEach((button, i) => select.add(new Option(button.label, i)));
    select.value = chart.choice;
    select.addEventListener("change", () => { chart.choice = Number(select.value); draw(chart); });
    const label = document.createElement("label");
    label.className = "menu";
    label.append(`${chart.figure.layout.meta.menu_label} `, select);
    chart.div.before(label);
  }

  const charts = [...document.querySelectorAll(".chart")].map((div) => {
    const { data, layout } = JSON.parse(div.querySelector("script").textContent);
    const [menu] = layout.updatemenus ?? [];
    delete layout.updatemenus;
    div.replaceChildren();
    const chart = { div, figure: { data, layout, menu: menu?.buttons }, choice: menu?.active ?? 0 };
    if (menu) menuFor(chart);
    return chart;
  });

  const drawAll = () => charts.forEach(draw);
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  addEventListener("beforeprint", () => {
    printing = true;
    document.querySelectorAll("details").forEach((details) => { details.open = true; });
    drawAll();
  });
  addEventListener("afterprint", () => {
    printing = false;
    document.body.classList.remove("one-page");
    document.querySelector(".chosen")?.classList.remove("chosen");
    drawAll();
  });
  document.querySelectorAll(".print-page").forEach((button) => {
    button.addEventListener("click", () => {
      document.body.classList.add("one-page");
      button.closest("section").classList.add("chosen");
      print();
    });
  });
  drawAll();
})();
