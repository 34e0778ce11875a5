// Curves of a class on demand, and the figures of a cell of the confusion matrices.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

// --- curves -------------------------------------------------------------------------------------
const chooser = document.getElementById("class-chooser");

function drawCurve(kind, points) {
  const area = document.querySelector(`#area-${kind}`);
  const box = area.getBBox();
  const parent = area.parentNode;
  parent.querySelector(".overlay")?.remove();
  if (!points) return;
  const line = document.createElementNS(SVG, "polyline");
  const place = ([x, y]) => `${box.x + (x / 1000) * box.width},${box.y + (1 - y / 1005) * box.height}`;
  line.setAttribute("points", points.map(place).join(" "));
  line.setAttribute("class", "overlay");
  parent.append(line);
}

function showClass(key) {
  const chosen = data.curves[key];
  drawCurve("pr", chosen?.pr);
  drawCurve("roc", chosen?.roc);
  document.getElementById("class-areas").textContent = chosen ? chosen.text : "";
  chooser.value = chosen ? key : "";
  for (const row of document.querySelectorAll("tr[data-key]")) row.classList.toggle("chosen", row.dataset.key === key);
}

chooser.addEventListener("change", () => showClass(chooser.value));
for (const row of document.querySelectorAll("tr[data-key]")) row.addEventListener("click", () => showClass(row.dataset.key));

// --- confusion matrices -------------------------------------------------------------------------
for (const [kind, matrix] of Object.entries(data.confusion)) {
  const area = document.querySelector(`#area-${kind}`);
  const readout = document.getElementById(`cell-${kind}`);
  const size = matrix.names.length;
  const counts = new Map(matrix.cells.map(([row, column, count]) => [row * size + column, count]));
  area.ownerSVGElement.addEventListener("mousemove", (event) => {
    const box = area.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * size);
    const row = Math.floor(((event.clientY - box.top) / box.height) * size);
    const inside = row >= 0 && column >= 0 && row < size && column < size;
    const count = counts.get(row * size + column) ?? 0;
    readout.textContent = inside ? `${matrix.names[row]} → ${matrix.names[column]}: ${count} / ${matrix.totals[row]}` : "";
  });
}
