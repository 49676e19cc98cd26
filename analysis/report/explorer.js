"use strict";

// The latent explorer: one canvas per map, linked by the images that they show.
(() => {
  const source = document.getElementById("explorer-data");
  if (!source) return;
  const groups = JSON.parse(source.textContent);
  const find = (id) => document.getElementById(id);
  const SIDE = 0.04; // free margin around a map, as a share of the canvas
  const REACH = 14; // how far from the pointer a point may be picked, in CSS pixels
  const MOST_ZOOM = 60;
  const GALLERY = 72;

  const words = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const shorts = (text) => new Uint16Array(bytes(text).buffer);
  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  for (const group of groups) {
    group.labels = shorts(group.labels);
    for (const panel of group.panels) {
      panel.predictions = shorts(panel.predictions);
      panel.silhouettes = Float32Array.from(
        new Int8Array(bytes(panel.silhouettes).buffer), (value) => value / 127);
      for (const layout of Object.values(panel.layouts)) layout.points = shorts(layout.points);
    }
  }

  let group = groups[0];
  let layout = Object.keys(group.panels[0].layouts)[0];
  let tool = "move";
  let shown = []; // indices of the images that pass the filters
  let passes = new Uint8Array(0);
  let selected = null; // indices within the lasso, or null
  let inspected = -1;
  let pinned = false;
  let sprite = null;
  let views = [];
  const hidden = new Set(); // classes that are switched off

  class View {
    constructor(panel) {
      this.panel = panel;
      this.figure = make("figure", "panel");
      const caption = make("figcaption");
      caption.append(make("strong", "", panel.title));
      this.note = make("span", "note");
      caption.append(this.note);
      this.stage = make("div", "stage");
      this.stage.tabIndex = 0;
      this.stage.setAttribute("role", "application");
      this.stage.setAttribute("aria-label",
        `Map of ${panel.title}. Arrow keys go from point to point, plus and minus zoom, ` +
        "Enter pins, Escape lets go.");
      this.base = make("canvas");
      this.overlay = make("canvas");
      this.stage.append(this.base, this.overlay);
      this.figure.append(caption, this.stage);
      this.home();
      this.pointers = new Map();
      this.path = null;
      this.listen();
    }

    home() {
      this.zoom = 1;
      this.offset = [0, 0];
      this.stage.style.touchAction = "";
    }

    get points() { return this.panel.layouts[layout].points; }

    resize() {
      const side = this.stage.clientWidth;
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      this.side = side;
      for (const canvas of [this.base, this.overlay]) {
        canvas.width = canvas.height = Math.max(1, Math.round(side * ratio));
        canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
      }
      this.draw();
    }

    place(index) {
      const room = this.side * (1 - 2 * SIDE) / 65535;
      const edge = this.side * SIDE;
      return [
        (edge + this.points[2 * index] * room) * this.zoom + this.offset[0],
        (edge + this.points[2 * index + 1] * room) * this.zoom + this.offset[1],
      ];
    }

    draw() {
      const brush = this.base.getContext("2d");
      brush.clearRect(0, 0, this.side, this.side);
      const size = Math.max(1.6, Math.min(7,
        (this.side / 260) * Math.sqrt(3000 / group.labels.length) * 1.9 * this.zoom ** 0.35));
      const chosen = selected && new Set(selected);
      const colourOf = find("colour-by").value === "prediction"
        ? this.panel.predictions : group.labels;
      const buckets = group.colours.map(() => []);
      const faint = [];
      for (let index = 0; index < group.labels.length; index++) {
        const [x, y] = this.place(index);
        if (x < -8 || y < -8 || x > this.side + 8 || y > this.side + 8) continue;
        const strong = passes[index] && (!chosen || chosen.has(index));
        (strong ? buckets[colourOf[index]] : faint).push(x, y);
      }
      brush.fillStyle = getComputedStyle(this.stage).getPropertyValue("--faint-point");
      stamp(brush, faint, size * 0.8);
      brush.globalAlpha = 0.85;
      buckets.forEach((places, label) => {
        brush.fillStyle = group.colours[label];
        stamp(brush, places, size);
      });
      brush.globalAlpha = 1;
      this.mark();
    }

    mark() {
      const brush = this.overlay.getContext("2d");
      brush.clearRect(0, 0, this.side, this.side);
      const ink = getComputedStyle(this.stage).getPropertyValue("--ink");
      if (this.path && this.path.length > 1) {
        brush.beginPath();
        this.path.forEach(([x, y], at) => (at ? brush.lineTo(x, y) : brush.moveTo(x, y)));
        brush.closePath();
        brush.strokeStyle = ink;
        brush.setLineDash([5, 4]);
        brush.lineWidth = 1.5;
        brush.stroke();
        brush.globalAlpha = 0.08;
        brush.fillStyle = ink;
        brush.fill();
        brush.globalAlpha = 1;
        brush.setLineDash([]);
      }
      if (inspected < 0) return;
      const [x, y] = this.place(inspected);
      brush.beginPath();
      brush.arc(x, y, 8, 0, 2 * Math.PI);
      brush.lineWidth = 4;
      brush.strokeStyle = getComputedStyle(this.stage).getPropertyValue("--paper");
      brush.stroke();
      brush.lineWidth = 2;
      brush.strokeStyle = ink;
      brush.stroke();
      brush.beginPath();
      brush.arc(x, y, 3, 0, 2 * Math.PI);
      brush.fillStyle = group.colours[group.labels[inspected]];
      brush.fill();
    }

    nearest(at) {
      let best = -1;
      let least = REACH * REACH;
      for (const index of selected || shown) {
        const [x, y] = this.place(index);
        const square = (x - at[0]) ** 2 + (y - at[1]) ** 2;
        if (square < least) [best, least] = [index, square];
      }
      return best;
    }

    zoomAt(at, factor) {
      const zoom = Math.max(1, Math.min(MOST_ZOOM, this.zoom * factor));
      const ratio = zoom / this.zoom;
      this.zoom = zoom;
      this.moveTo(at[0] - (at[0] - this.offset[0]) * ratio,
        at[1] - (at[1] - this.offset[1]) * ratio);
    }

    moveTo(x, y) {
      const least = this.side * (1 - this.zoom); // the map always fills the canvas
      this.offset = [Math.min(0, Math.max(least, x)), Math.min(0, Math.max(least, y))];
      this.stage.style.touchAction = this.zoom > 1 ? "none" : "";
      this.draw();
    }

    listen() {
      const at = (event) => {
        const box = this.stage.getBoundingClientRect();
        return [event.clientX - box.left - this.stage.clientLeft,
          event.clientY - box.top - this.stage.clientTop];
      };
      this.stage.addEventListener("pointerdown", (event) => {
        this.pointers.set(event.pointerId, at(event));
        this.moved = 0;
        this.last = at(event);
        if (tool === "lasso") this.path = [at(event)];
        try { this.stage.setPointerCapture(event.pointerId); } catch { /* it is gone already */ }
      });
      this.stage.addEventListener("pointermove", (event) => {
        const here = at(event);
        if (!this.pointers.has(event.pointerId)) {
          if (!pinned) inspect(this.nearest(here));
          return;
        }
        const before = this.pointers.get(event.pointerId);
        if (this.pointers.size === 2) this.pinch(event.pointerId, before, here);
        this.pointers.set(event.pointerId, here);
        this.moved += Math.hypot(here[0] - before[0], here[1] - before[1]);
        if (this.pointers.size > 1) return;
        if (this.path) {
          this.path.push(here);
          this.mark();
        } else if (this.zoom > 1) {
          this.moveTo(this.offset[0] + here[0] - before[0], this.offset[1] + here[1] - before[1]);
        }
      });
      const end = (event) => {
        if (!this.pointers.delete(event.pointerId)) return;
        const path = this.path;
        this.path = null;
        if (event.type === "pointerup" && this.moved < 6) {
          const found = this.nearest(at(event));
          pinned = found >= 0;
          inspect(found);
        } else if (event.type === "pointerup" && path && path.length > 2) {
          select(shown.filter((index) => inside(this.place(index), path)));
        }
        this.mark();
      };
      this.stage.addEventListener("pointerup", end);
      this.stage.addEventListener("pointercancel", end);
      this.stage.addEventListener("pointerleave", () => { if (!pinned) inspect(-1); });
      this.stage.addEventListener("wheel", (event) => {
        // a page that scrolls past must not be caught by a map: only one in use takes the wheel
        if (document.activeElement !== this.stage && !event.ctrlKey) return;
        event.preventDefault();
        this.zoomAt(at(event), Math.exp(-event.deltaY / 300));
      }, { passive: false });
      this.stage.addEventListener("dblclick", (event) => this.zoomAt(at(event), 2));
      this.stage.addEventListener("keydown", (event) => this.key(event));
    }

    pinch(id, before, here) {
      const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, value]) => value);
      const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
      const is = Math.hypot(here[0] - other[0], here[1] - other[1]);
      this.path = null;
      if (was > 0) this.zoomAt([(here[0] + other[0]) / 2, (here[1] + other[1]) / 2], is / was);
    }

    key(event) {
      const centre = [this.side / 2, this.side / 2];
      const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.key in ways) {
        pinned = true;
        inspect(this.neighbour(ways[event.key]));
      } else if (event.key === "+" || event.key === "=") this.zoomAt(centre, 1.5);
      else if (event.key === "-") this.zoomAt(centre, 1 / 1.5);
      else if (event.key === "0") { this.home(); this.draw(); }
      else if (event.key === "Enter") pinned = inspected >= 0;
      else if (event.key === "Escape") { pinned = false; inspect(-1); select(null); }
      else return;
      event.preventDefault();
    }

    neighbour([right, down]) {
      const from = inspected < 0 ? [this.side / 2, this.side / 2] : this.place(inspected);
      let best = inspected;
      let least = Infinity;
      for (const index of selected || shown) {
        if (index === inspected) continue;
        const [x, y] = this.place(index);
        const ahead = (x - from[0]) * right + (y - from[1]) * down;
        const aside = Math.abs((x - from[0]) * down) + Math.abs((y - from[1]) * right);
        if (inspected >= 0 && (ahead <= 0.01 || aside > 2 * ahead)) continue;
        const cost = inspected < 0 ? Math.hypot(x - from[0], y - from[1]) : ahead + 2 * aside;
        if (cost < least) [best, least] = [index, cost];
      }
      return best;
    }
  }

  function stamp(brush, places, size) {
    brush.beginPath();
    for (let at = 0; at < places.length; at += 2) {
      if (size < 3) brush.rect(places[at] - size / 2, places[at + 1] - size / 2, size, size);
      else {
        brush.moveTo(places[at] + size / 2, places[at + 1]);
        brush.arc(places[at], places[at + 1], size / 2, 0, 2 * Math.PI);
      }
    }
    brush.fill();
  }

  function inside([x, y], path) {
    let within = false;
    for (let at = 0, before = path.length - 1; at < path.length; before = at++) {
      const [ax, ay] = path[at];
      const [bx, by] = path[before];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
    }
    return within;
  }

  function tile(canvas, index) {
    const { tile: side, columns } = group.sprite;
    canvas.width = canvas.height = side;
    if (!sprite.complete || !sprite.naturalWidth) return;
    const [column, row] = [index % columns, Math.floor(index / columns)];
    canvas.getContext("2d").drawImage(
      sprite, column * side, row * side, side, side, 0, 0, side, side);
  }

  function inspect(index) {
    inspected = index;
    const card = find("inspector");
    card.classList.toggle("empty", index < 0);
    card.classList.toggle("pinned", pinned && index >= 0);
    find("inspector-label").textContent = index < 0
      ? "Point at a map: the image appears here, and its place in every map."
      : `image ${index}: ${group.classes[group.labels[index]]}`;
    const rows = index < 0 ? [] : group.panels.map((panel) => {
      const row = make("tr");
      const prediction = panel.predictions[index];
      const right = prediction === group.labels[index];
      row.append(make("th", "", panel.title));
      row.append(make("td", right ? "right" : "wrong",
        `${right ? "✓" : "✗"} ${group.classes[prediction]}`));
      row.append(make("td", "number", panel.silhouettes[index].toFixed(2).replace("-", "−")));
      row.firstChild.scope = "row";
      return row;
    });
    find("inspector-rows").replaceChildren(...rows);
    const canvas = find("inspector-image");
    canvas.hidden = index < 0;
    if (index >= 0) tile(canvas, index);
    for (const view of views) view.mark();
  }

  function filter() {
    const errors = find("errors").value;
    const limit = Number(find("silhouette").value);
    find("silhouette-value").textContent = limit >= 1 ? "any" : `below ${limit.toFixed(2)}`.replace("-", "−");
    passes = new Uint8Array(group.labels.length);
    shown = [];
    for (let index = 0; index < group.labels.length; index++) {
      const label = group.labels[index];
      if (hidden.has(label)) continue;
      const wrong = group.panels.filter((panel) => panel.predictions[index] !== label).length;
      if (errors === "some" && wrong === 0) continue;
      if (errors === "all" && wrong < group.panels.length) continue;
      if (errors === "differ" && (wrong === 0 || wrong === group.panels.length)) continue;
      if (limit < 1 && !group.panels.some((panel) => panel.silhouettes[index] < limit)) continue;
      passes[index] = 1;
      shown.push(index);
    }
    find("shown-count").textContent =
      `${words(shown.length, "image", "images")} of ${group.labels.length.toLocaleString("en")} shown`;
    if (inspected >= 0 && !passes[inspected]) { pinned = false; inspect(-1); }
    select(selected && selected.filter((index) => passes[index]));
  }

  function select(indices) {
    selected = indices && indices.length ? indices : null;
    find("selection").hidden = !selected;
    find("clear").disabled = !selected;
    if (selected) describe();
    for (const view of views) view.draw();
  }

  function describe() {
    find("selection-count").textContent = `${words(selected.length, "image", "images")} selected`;
    const counts = group.classes.map((name, label) =>
      [selected.filter((index) => group.labels[index] === label).length, name, label]);
    const present = counts.filter(([count]) => count).sort((a, b) => b[0] - a[0]);
    find("selection-classes").replaceChildren(...present.slice(0, 12).map(([count, name, label]) => {
      const item = make("li", "", `${name} ${count}`);
      const dot = make("i", "dot");
      dot.style.background = group.colours[label];
      item.prepend(dot);
      return item;
    }));
    find("selection-rows").replaceChildren(...group.panels.map((panel) => {
      const wrong = selected.filter((index) =>
        panel.predictions[index] !== group.labels[index]).length;
      const mean = selected.reduce((sum, index) => sum + panel.silhouettes[index], 0)
        / selected.length;
      const row = make("tr");
      row.append(make("th", "", panel.title));
      row.append(make("td", "number", `${wrong} (${((100 * wrong) / selected.length).toFixed(1)}%)`));
      row.append(make("td", "number", mean.toFixed(2).replace("-", "−")));
      return row;
    }));
    find("gallery").replaceChildren(...selected.slice(0, GALLERY).map((index) => {
      const button = make("button", "thumb");
      button.type = "button";
      button.title = `image ${index}: ${group.classes[group.labels[index]]}`;
      button.setAttribute("aria-label", button.title);
      const canvas = make("canvas");
      tile(canvas, index);
      button.append(canvas);
      button.addEventListener("click", () => { pinned = true; inspect(index); });
      return button;
    }));
    find("gallery-note").textContent = selected.length > GALLERY
      ? `the first ${GALLERY} of ${selected.length.toLocaleString("en")}` : "";
  }

  function notes() {
    for (const view of views) {
      view.note.textContent =
        `${view.panel.note} · trustworthiness ${view.panel.layouts[layout].trustworthiness.toFixed(3)}`;
    }
  }

  function open(next) {
    group = next;
    hidden.clear();
    selected = null;
    inspected = -1;
    pinned = false;
    sprite = new Image();
    sprite.addEventListener("load", () => {
      inspect(inspected);
      if (selected) describe();
    });
    sprite.src = group.sprite.url;
    const names = Object.keys(group.panels[0].layouts);
    if (!names.includes(layout)) layout = names[0];
    find("layout").replaceChildren(...names.map((name) => new Option(name, name)));
    find("layout").value = layout;
    find("classes").replaceChildren(...group.classes.map((name, label) => {
      const chip = make("button", "chip", name);
      chip.type = "button";
      chip.setAttribute("aria-pressed", "true");
      const dot = make("i", "dot");
      dot.style.background = group.colours[label];
      chip.prepend(dot);
      chip.addEventListener("click", (event) => {
        if (event.shiftKey) {
          const alone = hidden.size === group.classes.length - 1 && !hidden.has(label);
          hidden.clear();
          if (!alone) group.classes.forEach((_, other) => other !== label && hidden.add(other));
        } else if (!hidden.delete(label)) hidden.add(label);
        chips();
        filter();
      });
      return chip;
    }));
    views = group.panels.map((panel) => new View(panel));
    find("panels").replaceChildren(...views.map((view) => view.figure));
    for (const view of views) observer.observe(view.stage);
    notes();
    inspect(-1);
    for (const view of views) view.resize();
    filter();
  }

  function chips() {
    [...find("classes").children].forEach((chip, label) =>
      chip.setAttribute("aria-pressed", String(!hidden.has(label))));
  }

  function use(next) {
    tool = next;
    for (const name of ["move", "lasso"]) {
      find(`tool-${name}`).setAttribute("aria-pressed", String(name === tool));
    }
    find("panels").classList.toggle("lasso", tool === "lasso");
  }

  const observer = new ResizeObserver((entries) => {
    for (const entry of entries) {
      const view = views.find((each) => each.stage === entry.target);
      if (view && view.side !== view.stage.clientWidth) { view.home(); view.resize(); }
    }
  });

  find("group").replaceChildren(...groups.map((each, place) => new Option(each.name, place)));
  find("group-choice").hidden = groups.length < 2;
  find("group").addEventListener("change", (event) => open(groups[Number(event.target.value)]));
  find("layout").addEventListener("change", (event) => {
    layout = event.target.value;
    notes();
    for (const view of views) { view.home(); view.draw(); }
  });
  find("colour-by").addEventListener("change", () => views.forEach((view) => view.draw()));
  find("errors").addEventListener("change", filter);
  find("silhouette").addEventListener("input", filter);
  find("tool-move").addEventListener("click", () => use("move"));
  find("tool-lasso").addEventListener("click", () => use("lasso"));
  find("clear").addEventListener("click", () => select(null));
  find("all-classes").addEventListener("click", () => { hidden.clear(); chips(); filter(); });
  find("reset").addEventListener("click", () => {
    for (const view of views) { view.home(); view.draw(); }
  });
  for (const [name, factor] of [["zoom-in", 1.5], ["zoom-out", 1 / 1.5]]) {
    find(name).addEventListener("click", () => {
      for (const view of views) view.zoomAt([view.side / 2, view.side / 2], factor);
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    views.forEach((view) => view.draw()));
  use("move");
  open(group);
})();
