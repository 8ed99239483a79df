// The interactive sky map: d3 projects, zooms and draws lines, healpix.js knows the pixels; this file colours them.
"use strict";
(async () => {
  const config = JSON.parse(document.getElementById("config").textContent);
  const {nside, layers, palettes, spots} = config;
  const npix = 12 * nside * nside,
    ABSENT = 65535,
    DEG = Math.PI / 180;
  const MOVING = 3,
    MAX_ZOOM = 90;
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const $ = (id) => document.getElementById(id);

  // --- data: one 16 bit number per pixel and layer, low bytes then high bytes, gzipped
  const packed = new Blob([bytes($("maps").textContent.trim())]).stream().pipeThrough(new DecompressionStream("gzip"));
  const raw = new Uint8Array(await new Response(packed).arrayBuffer());
  const codes = layers.map((_, i) => {
    const low = raw.subarray(2 * i * npix, (2 * i + 1) * npix),
      high = raw.subarray((2 * i + 1) * npix, (2 * i + 2) * npix);
    return Uint16Array.from(low, (l, k) => l + 256 * high[k]);
  });
  const value = (i, pixel) => {
    const code = codes[i][pixel],
      {low, step} = layers[i];
    return code === ABSENT ? NaN : low + step * code;
  };
  const [HEAT, TS, NS, GAMMA] = [0, 1, 2, 3];
  const vectors = new Float32Array(3 * npix);
  for (let p = 0; p < npix; p++) vectors.set(healpix.pix2vec_ring(nside, p), 3 * p);

  // --- colours of a layer, one 32 bit number per pixel
  const rgba = (r, g, b) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  const tables = Object.fromEntries(Object.entries(palettes).map(([name, text]) => [name, bytes(text)]));
  const fraction = (layer, x) =>
    Math.pow(Math.min(Math.max((x - layer.low) / (layer.high - layer.low), 0), 1), layer.power);
  function coloured(i) {
    const layer = layers[i],
      table = tables[layer.palette],
      out = new Uint32Array(npix);
    for (let p = 0; p < npix; p++) {
      const x = value(i, p);
      if (Number.isNaN(x)) out[p] = rgba(0xd4, 0xd4, 0xd4);
      else if (layer.fitted && !(value(NS, p) > 0)) out[p] = rgba(255, 255, 255);
      else {
        const k = 3 * Math.round(255 * fraction(layer, x));
        out[p] = rgba(table[k], table[k + 1], table[k + 2]);
      }
    }
    return out;
  }

  // --- the view: centre [ra, dec] in degrees and zoom k; right ascension grows to the left
  const canvas = $("sky"),
    context = canvas.getContext("2d"),
    screen = document.createElement("canvas");
  const projection = d3.geoHammer().reflectX(true).precision(0.3);
  const path = d3.geoPath(projection, context);
  const view = {ra: 180, dec: 0, k: 1},
    state = {layer: 0, colours: coloured(0), chosen: -1, hover: -1, queued: false};
  let width = 0,
    height = 0,
    base = 1;
  function resize() {
    width = canvas.parentElement.clientWidth;
    height = Math.round(Math.max(width / 2, Math.min(340, window.innerHeight * 0.6)));
    const ratio = window.devicePixelRatio || 1;
    ((canvas.width = Math.round(width * ratio)), (canvas.height = Math.round(height * ratio)));
    canvas.style.height = `${height}px`;
    base = (width - 12) / (4 * Math.SQRT2);
    draw(1);
  }
  function project() {
    projection
      .translate([width / 2, height / 2])
      .scale(base * view.k)
      .rotate([-view.ra, -view.dec]);
  }
  function pixelAt(x, y) {
    const at = projection.invert([x, y]);
    if (!at || !Number.isFinite(at[0]) || !Number.isFinite(at[1])) return -1;
    const back = projection(at);
    if (Math.hypot(back[0] - x, back[1] - y) > 0.5) return -1; // outside the sky
    return pixelOf(Math.sin(at[1] * DEG), ((at[0] + 360) % 360) * DEG);
  }

  // --- drawing; `step` screen pixels share one look-up, more of them while the map moves
  function pixelOf(z, phi) {
    // healpix.ang2pix_ring, some ten times as fast (it makes no objects), and right where a polar pixel begins
    const tt = (phi < 0 ? phi + 2 * Math.PI : phi) * (2 / Math.PI),
      za = Math.abs(z);
    if (za <= 2 / 3) {
      const across = nside * (0.5 + tt),
        along = 0.75 * nside * z;
      const up = Math.floor(across - along),
        down = Math.floor(across + along),
        ring = nside + 1 + up - down;
      const place = (up + down - nside + 2 - (ring & 1)) >> 1,
        n = 4 * nside;
      return 2 * nside * (nside - 1) + (ring - 1) * n + (((place % n) + n) % n);
    }
    const part = tt - Math.floor(tt),
      size = nside * Math.sqrt(3 * (1 - za));
    const ring = Math.floor(part * size) + Math.floor((1 - part) * size) + 1,
      place = Math.floor(tt * ring) % (4 * ring);
    return z > 0 ? 2 * ring * (ring - 1) + place : npix - 2 * ring * (ring + 1) + place;
  }
  const MESH = 8,
    CLOSE = 0.99;
  function mesh(nx, ny, gap) {
    // the sky's direction at every `gap` pixels of the screen: projections are slow
    const out = new Float64Array(3 * (nx + 1) * (ny + 1));
    for (let j = 0, n = 0; j <= ny; j++)
      for (let i = 0; i <= nx; i++, n += 3) {
        const [ra, dec] = projection.invert([i * gap, j * gap]),
          c = Math.cos(dec * DEG);
        ((out[n] = c * Math.cos(ra * DEG)), (out[n + 1] = c * Math.sin(ra * DEG)), (out[n + 2] = Math.sin(dec * DEG)));
      }
    return out;
  }
  function raster(step) {
    const gap = MESH * step,
      nx = Math.ceil(width / gap),
      ny = Math.ceil(height / gap);
    const corners = mesh(nx, ny, gap),
      row = 3 * (nx + 1);
    ((screen.width = MESH * nx), (screen.height = MESH * ny));
    const at = screen.getContext("2d"),
      image = at.createImageData(MESH * nx, MESH * ny);
    const out = new Uint32Array(image.data.buffer);
    for (let j = 0; j < ny; j++)
      for (let i = 0; i < nx; i++) cell(out, corners, 3 * i + j * row, row, i * MESH, j * MESH, MESH * nx, step);
    at.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(screen, 0, 0, gap * nx, gap * ny);
  }
  function cell(out, v, a, row, left, top, stride, step) {
    const b = a + 3,
      c = a + row,
      d = c + 3,
      {colours} = state;
    const flat =
      v[a] * v[d] + v[a + 1] * v[d + 1] + v[a + 2] * v[d + 2] > CLOSE &&
      v[b] * v[c] + v[b + 1] * v[c + 1] + v[b + 2] * v[c + 2] > CLOSE;
    for (let j = 0; j < MESH; j++)
      for (let i = 0; i < MESH; i++) {
        const n = (top + j) * stride + left + i;
        if (flat) {
          const s = (i + 0.5) / MESH,
            t = (j + 0.5) / MESH,
            A = (1 - s) * (1 - t),
            B = s * (1 - t),
            C = (1 - s) * t,
            D = s * t;
          const x = A * v[a] + B * v[b] + C * v[c] + D * v[d],
            y = A * v[a + 1] + B * v[b + 1] + C * v[c + 1] + D * v[d + 1];
          const z = A * v[a + 2] + B * v[b + 2] + C * v[c + 2] + D * v[d + 2];
          out[n] = colours[pixelOf(z / Math.sqrt(x * x + y * y + z * z), Math.atan2(y, x))];
        } else {
          // at the rim of the sky, where the direction jumps or ends
          const [ra, dec] = projection.invert([(left + i + 0.5) * step, (top + j + 0.5) * step]);
          if (dec >= -90 && dec <= 90) out[n] = colours[pixelOf(Math.sin(dec * DEG), ((ra + 720) % 360) * DEG)];
        }
      }
  }
  function line(shape, colour, thick) {
    (context.beginPath(), path(shape));
    ((context.strokeStyle = colour), (context.lineWidth = thick), context.stroke());
  }
  function text(words, lon, lat) {
    const [x, y] = projection([lon, lat]);
    if (x < 4 || y < 14 || x > width - 30 || y > height - 4) return;
    ((context.strokeStyle = "rgba(255,255,255,.85)"), (context.lineWidth = 3), context.strokeText(words, x + 3, y - 3));
    ((context.fillStyle = "#222"), context.fillText(words, x + 3, y - 3));
  }
  const round = (x, step) => Math.round(x / step) * step;
  function grid() {
    const step = [30, 10, 5, 2, 1, 0.5].find((s) => base * view.k * s * DEG < 260) || 0.5;
    const lines = d3
      .geoGraticule()
      .step([step, step])
      .extentMajor([
        [-180, -90],
        [180, 90.0001],
      ]);
    line(view.k > 6 ? nearby(step) : lines(), "rgba(90,90,90,.35)", 0.7);
    context.font = "12px system-ui, sans-serif";
    const places = step < 1 ? 1 : 0,
      ra = round(view.ra, step),
      dec = Math.max(-90, Math.min(90, round(view.dec, step)));
    for (let n = -6; n <= 6; n++) {
      const lon = (((ra + n * step) % 360) + 360) % 360,
        lat = dec + n * step;
      if (Math.abs(n * step) < 180)
        text(`${lon.toFixed(places)}°`, lon, Math.abs(dec) < 89 ? dec : 80 * Math.sign(dec));
      if (Math.abs(lat) < 90 && n !== 0)
        text(`${lat > 0 ? "+" : lat < 0 ? "−" : ""}${Math.abs(lat).toFixed(places)}°`, ra, lat);
    }
  }
  function nearby(step) {
    // grid lines around the centre only: thousands of them would be drawn for nothing
    const reach = 12 * step,
      ra = round(view.ra, step),
      dec = round(view.dec, step),
      out = [];
    const low = Math.max(-90, dec - reach),
      high = Math.min(90, dec + reach);
    const span = Math.min(180, reach / Math.max(0.05, Math.cos(view.dec * DEG)));
    for (let lon = ra - round(span, step); lon <= ra + span; lon += step)
      out.push(d3.range(low, high + 1e-9, step / 2).map((lat) => [lon, lat]));
    for (let lat = low; lat <= high; lat += step)
      out.push(d3.range(ra - span, ra + span + 1e-9, step / 2).map((lon) => [lon, lat]));
    return {type: "MultiLineString", coordinates: out};
  }
  function marks() {
    line({type: "LineString", coordinates: config.plane}, "rgba(80,80,80,.8)", 1.2);
    line(d3.geoCircle().center(config.plane[0]).radius(1.2)(), "rgba(60,60,60,.9)", 2);
    spots.forEach((spot, i) => {
      const radius = Math.max(1.5, 7 / (base * view.k * DEG));
      line(
        d3.geoCircle().center([spot.ra, spot.dec]).radius(Math.min(radius, 8))(),
        i === 0 ? "#0072B2" : "rgba(0,114,178,.55)",
        i === 0 ? 2.4 : 1.2,
      );
    });
    if (state.chosen >= 0) {
      const corners = healpix
        .corners_ring(nside, state.chosen)
        .map(([x, y, z]) => [Math.atan2(y, x) / DEG, Math.asin(z) / DEG]);
      line({type: "LineString", coordinates: [...corners, corners[0]]}, "#D55E00", 2.2);
    }
  }
  function stamp() {
    // A picture of this map travels without its page, and must still say what data it shows.
    context.font = "600 12px system-ui, sans-serif";
    const x = width - context.measureText(config.mark).width - 4;
    context.strokeStyle = "rgba(255,255,255,.9)";
    context.lineWidth = 4;
    context.strokeText(config.mark, x, 14);
    context.fillStyle = "#9a3b00";
    context.fillText(config.mark, x, 14);
  }
  let timer = 0;
  function draw(step) {
    state.queued = false;
    const start = performance.now();
    project();
    context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
    context.clearRect(0, 0, width, height);
    (context.save(), context.beginPath(), path({type: "Sphere"}), context.clip());
    (raster(step), grid(), marks());
    context.restore();
    line({type: "Sphere"}, "#888", 1);
    stamp();
    config.drawn = {step, ms: performance.now() - start};
    clearTimeout(timer);
    if (step > 1) timer = setTimeout(() => draw(1), 140);
  }
  function moved() {
    ((view.dec = Math.max(-90, Math.min(90, view.dec))), (view.ra = ((view.ra % 360) + 360) % 360));
    if (!state.queued) ((state.queued = true), requestAnimationFrame(() => draw(MOVING)));
  }

  // --- words
  const degrees = (x) => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(2)}°`;
  function placeOf(p) {
    const {theta, phi} = healpix.pix2ang_ring(nside, p);
    return [(phi / DEG) % 360, 90 - theta / DEG];
  }
  function described(p) {
    if (p < 0) return "";
    const [ra, dec] = placeOf(p),
      heat = value(HEAT, p);
    const place = `RA ${ra.toFixed(2)}°, dec ${degrees(dec)}`;
    if (Number.isNaN(heat)) return `${place}: not scanned`;
    const prob = Math.pow(10, -heat),
      shown = prob >= 0.001 ? prob.toPrecision(2) : prob.toExponential(1).replace("e-", "e−");
    const fit = value(NS, p) > 0 ? `ns ${value(NS, p).toFixed(2)}, γ ${value(GAMMA, p).toFixed(2)}` : "ns 0";
    return `${place}: TS ${value(TS, p).toFixed(2)}, ${fit}, local p ${shown} (−log₁₀ p ${heat.toFixed(2)})`;
  }
  function legend() {
    const layer = layers[state.layer],
      table = tables[layer.palette],
      stops = d3.range(0, 256, 5).map((i) => `rgb(${table.slice(3 * i, 3 * i + 3).join(",")})`);
    $("ramp").style.background = `linear-gradient(to right, ${stops.join(",")})`;
    const at = (t) => (layer.low + (layer.high - layer.low) * Math.pow(t, 1 / layer.power)).toPrecision(3);
    $("ticks").replaceChildren(
      ...[0, 0.25, 0.5, 0.75, 1].map((t) => Object.assign(document.createElement("span"), {textContent: at(t)})),
    );
  }
  function choose(p, fly) {
    state.chosen = p;
    $("chosen").textContent = described(p);
    const [ra, dec] = placeOf(p);
    if (fly) go(ra, dec, closeUp());
    else draw(1);
  }
  function closeUp() {
    // half the map's height shows 4 degrees, or eight pixels where these are larger
    return Math.min(MAX_ZOOM, height / 2 / (base * DEG * Math.max(4, (8 * 58.6) / nside)));
  }
  function hottestNear(x, y) {
    const p = pixelAt(x, y);
    if (p < 0) return -1;
    const reach = Math.cos(DEG * Math.min(6, Math.max(58.6 / nside, 14 / (base * view.k * DEG))));
    const [vx, vy, vz] = healpix.pix2vec_ring(nside, p);
    let best = p;
    for (let q = 0; q < npix; q++)
      if (
        vectors[3 * q] * vx + vectors[3 * q + 1] * vy + vectors[3 * q + 2] * vz >= reach &&
        value(HEAT, q) > (value(HEAT, best) || 0)
      )
        best = q;
    return best;
  }

  // --- hands: drag, wheel, pinch, click, keys, buttons
  const zoom = d3.zoom().scaleExtent([1, MAX_ZOOM]).on("zoom", zoomed);
  let last = null;
  const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  function zoomed(event) {
    if (!event.sourceEvent) return;
    const point = d3.mean(d3.pointers(event, canvas), (p) => p[0]),
      y = d3.mean(d3.pointers(event, canvas), (p) => p[1]);
    const anchored = event.transform.k === view.k && last ? last : [point, y];
    project();
    const before = projection.invert(anchored);
    view.k = event.transform.k;
    project();
    const after = projection.invert([point, y]);
    last = [point, y];
    if (![...before, ...after].every(Number.isFinite)) return moved();
    ((view.ra += ((before[0] - after[0] + 540) % 360) - 180), (view.dec += before[1] - after[1]));
    moved();
  }
  zoom
    .on("start", (event) => {
      last = event.sourceEvent ? d3.pointers(event, canvas)[0] : null;
    })
    .on("end", () => {
      last = null;
    });
  const synced = () => {
    canvas.__zoom = d3.zoomIdentity.scale(view.k);
  };
  function go(ra, dec, k) {
    const from = {...view},
      turn = ((ra - from.ra + 540) % 360) - 180;
    const at = (t) => {
      ((view.ra = from.ra + turn * t),
        (view.dec = from.dec + (dec - from.dec) * t),
        (view.k = from.k * Math.pow(k / from.k, t)));
      (synced(), moved());
    };
    if (still()) return at(1);
    d3.select(canvas)
      .interrupt()
      .transition()
      .duration(700)
      .ease(d3.easeCubicInOut)
      .tween("view", () => at);
  }
  d3.select(canvas)
    .call(zoom)
    .on("dblclick.zoom", null)
    .on("pointermove", (event) => {
      const [x, y] = d3.pointer(event, canvas),
        p = event.buttons ? -1 : pixelAt(x, y),
        tip = $("tip");
      ((tip.hidden = p < 0), (tip.textContent = described(p)));
      if (p >= 0)
        ((tip.style.left = `${Math.min(Math.max(0, x - tip.offsetWidth / 2), width - tip.offsetWidth)}px`),
          (tip.style.top = `${y > height / 2 ? y - tip.offsetHeight - 14 : y + 18}px`));
    })
    .on("pointerleave", () => {
      $("tip").hidden = true;
    })
    .on("click", (event) => {
      const p = hottestNear(...d3.pointer(event, canvas));
      if (p >= 0) choose(p, true);
    })
    .on("keydown", (event) => {
      const step = 20 / view.k,
        keys = {
          ArrowLeft: [step, 0, 1],
          ArrowRight: [-step, 0, 1],
          ArrowUp: [0, step, 1],
          ArrowDown: [0, -step, 1],
          "+": [0, 0, 1.5],
          "=": [0, 0, 1.5],
          "-": [0, 0, 1 / 1.5],
        };
      if (event.key === "Enter") {
        const p = hottestNear(width / 2, height / 2);
        if (p >= 0) choose(p, true);
      } else if (event.key === "0") go(180, 0, 1);
      else if (event.key in keys) {
        const [ra, dec, k] = keys[event.key];
        ((view.ra += ra), (view.dec += dec), (view.k = Math.max(1, Math.min(MAX_ZOOM, view.k * k))), synced(), moved());
      } else return;
      event.preventDefault();
    });
  d3.selectAll("input[name=layer]").on("change", (event) => {
    ((state.layer = Number(event.target.value)), (state.colours = coloured(state.layer)), legend(), draw(1));
  });
  d3.selectAll("button[data-zoom]").on("click", (event) => {
    const by = Number(event.currentTarget.dataset.zoom);
    if (by === 0) go(180, 0, 1);
    else go(view.ra, view.dec, Math.max(1, Math.min(MAX_ZOOM, view.k * by)));
  });
  d3.selectAll("button[data-spot]").on("click", (event) => {
    const spot = spots[Number(event.currentTarget.dataset.spot)];
    (choose(spot.pixel, true), canvas.scrollIntoView({block: "nearest", behavior: still() ? "auto" : "smooth"}));
  });
  ((config.view = view),
    (config.pixelAt = (x, y) => (project(), pixelAt(x, y))),
    (config.described = described),
    (config.redraw = draw),
    (config.pixelOf = pixelOf));
  window.skymap = config; // for whoever wants to look deeper from the browser's console, as the tests do
  new ResizeObserver(resize).observe(canvas.parentElement);
  (legend(), resize());
  document.body.dataset.ready = "true";
})();
