// What a player draws: numbers from text, points in space, a sensor per panel.

const HEAT = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]; // viridis

const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function numbers({low, step, data}) {
  const raw = new DataView(bytes(data).buffer), out = new Float32Array(raw.byteLength / 2);
  for (let i = 0; i < out.length; i++) {
    const n = raw.getInt16(2 * i, true);
    out[i] = n === -32768 ? NaN : low + step * (n + 32767);
  }
  return out;
}

/** A canvas in its own pixels; [context, width, height] in CSS pixels, empty. */
function fresh(canvas) {
  const dense = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  const [across, down] = [Math.round(width * dense), Math.round(height * dense)];
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  const pen = canvas.getContext("2d");
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.lineCap = pen.lineJoin = "round";
  pen.font = "12px system-ui, sans-serif";
  return [pen, width, height];
}

/** Turns points around a centre so that a ball of the given radius fills the canvas. */
function camera(view, centre, radius, width, height) {
  const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
  const away = 5 * radius, size = view.zoom * 0.46 * Math.min(width, height) / radius;
  return (x, y, z) => {
    const [a, b, c] = [x - centre[0], y - centre[1], z - centre[2]];
    const right = cy * a + sy * c, depth = cy * c - sy * a;
    const down = cp * b - sp * depth, far = sp * b + cp * depth;
    const scale = size * away / Math.max(away + far, 0.2 * away);
    return [width / 2 + right * scale, height / 2 + down * scale, scale / size];
  };
}

function strokes(pen, points, bones, colour, width) {
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = width;
  pen.beginPath();
  for (const [from, to] of bones) {
    if (!points[from] || !points[to]) continue;
    pen.moveTo(points[from][0], points[from][1]);
    pen.lineTo(points[to][0], points[to][1]);
  }
  pen.stroke();
  for (const point of points) if (point) {
    pen.beginPath();
    pen.arc(point[0], point[1], 0.5 * width + 1, 0, 7);
    pen.fill();
  }
}

function note(pen, text, width, height, colour) {
  pen.fillStyle = colour;
  pen.textAlign = "center";
  pen.fillText(text, width / 2, height / 2);
  pen.textAlign = "left";
}

/** Kind of panel -> function that makes its drawing: (pen, width, height, frame, colours, view) -> was there any. */
const PANELS = {
  keypoints(panel, frames) {
    const values = numbers(panel.values), joints = values.length / 2 / frames, [low, high] = panel.box;
    const [w, h] = [high[0] - low[0] || 1, high[1] - low[1] || 1];
    return (pen, width, height, frame, colours) => {
      const scale = 0.88 * Math.min(width / w, height / h), points = [];
      for (let j = 0; j < joints; j++) {
        const at = 2 * (frame * joints + j), [x, y] = [values[at], values[at + 1]];
        points.push(isNaN(x) ? null :
          [width / 2 + (x - low[0] - w / 2) * scale, height / 2 + (y - low[1] - h / 2) * scale]);
      }
      strokes(pen, points, panel.bones, colours.ink, 1.5);
      return points.some(Boolean);
    };
  },
  cloud(panel) {
    const values = numbers(panel.values), [low, high] = panel.box;
    const centre = low.map((value, i) => (value + high[i]) / 2);
    const radius = Math.max(...low.map((value, i) => (high[i] - value) / 2), 0.1) * 1.2;
    return (pen, width, height, frame, colours, view) => {
      const [first, last] = [panel.offsets[frame], panel.offsets[frame + 1]];
      const place = camera({...view, zoom: 1}, centre, radius, width, height);
      pen.fillStyle = colours.ink;
      for (let p = first; p < last; p++) {
        const [x, y, near] = place(values[3 * p], values[3 * p + 1], values[3 * p + 2]);
        const size = (last - first > 100 ? 1.8 : 3.2) * near;
        pen.fillRect(x - size / 2, y - size / 2, size, size);
      }
      return last > first;
    };
  },
  heat(panel) {
    const {height: rows, width: columns} = panel, data = bytes(panel.data);
    const small = document.createElement("canvas");
    [small.width, small.height] = [columns, rows];
    const brush = small.getContext("2d"), picture = brush.createImageData(columns, rows);
    return (pen, width, height, frame) => {
      const start = frame * rows * columns;
      if (data[start] === 255) return false;
      for (let i = 0; i < rows * columns; i++) {
        const at = data[start + i] / 254 * (HEAT.length - 1), k = Math.min(Math.floor(at), HEAT.length - 2);
        for (let c = 0; c < 3; c++) picture.data[4 * i + c] = HEAT[k][c] + (at - k) * (HEAT[k + 1][c] - HEAT[k][c]);
        picture.data[4 * i + 3] = 255;
      }
      brush.putImageData(picture, 0, 0);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(small, 0, 0, width, height);
      return true;
    };
  },
  pictures(panel, _, again) {
    const images = panel.files.map(() => null);
    return (pen, width, height, frame) => {
      if (!panel.files[frame]) return false;
      const image = images[frame] ??= Object.assign(new Image(), {
        onload: again, src: `data:image/jpeg;base64,${panel.files[frame]}`,
      });
      if (!image.naturalWidth) return true;
      const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
      const [w, h] = [image.naturalWidth * scale, image.naturalHeight * scale];
      pen.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
      return true;
    };
  },
};

/** The middle and half the size of all poses; `middled`: each around its own pelvis. */
function extent(series, joints, middled) {
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  for (const {pose} of series) for (let i = 0; i < pose.length; i++) {
    const value = pose[i] - (middled ? pose[i - i % (3 * joints) + i % 3] : 0);
    if (value < low[i % 3]) low[i % 3] = value;
    if (value > high[i % 3]) high[i % 3] = value;
  }
  if (low[0] > high[0]) return {centre: [0, 0, 0], radius: 1, floor: 1};
  const centre = low.map((value, i) => (value + high[i]) / 2);
  return {centre, radius: Math.max(...low.map((value, i) => (high[i] - value) / 2), 0.1), floor: high[1]};
}
