// Executes an operation from its form, and shows the answer. The token is kept in the page and nowhere else.
const token = document.getElementById("token");

const make = (name, text) => {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
};

// An id's slash is encoded twice: servers and proxies decode the first time.
const segment = (value) => encodeURIComponent(value).replaceAll("%2F", "%252F");

const newKey = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `"${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
};

const requestOf = (form) => {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = { Accept: "application/json" };
  for (const field of form.querySelectorAll("[data-place]")) {
    const { place, name } = field.dataset;
    const value = name === "Idempotency-Key" && field.value === field.defaultValue ? newKey() : field.value;
    if (place === "path") path = path.replace(`{${name}}`, segment(value));
    else if (value !== "" && place === "query") query.append(name, value);
    else if (value !== "") headers[name] = value;
  }
  if (token.value) headers.Authorization = `Bearer ${token.value.trim()}`;
  const body = form.querySelector("textarea")?.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const text = query.toString();
  return { url: text ? `${path}?${text}` : path, options: { method: form.dataset.method, headers, body, cache: "no-store" } };
};

const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

const asCurl = ({ url, options }) => {
  const named = Object.entries(options.headers).map(([name, value]) =>
    name === "Authorization" ? `-H "Authorization: Bearer $TOKEN"` : `-H ${quoted(`${name}: ${value}`)}`);
  const parts = [`curl -X ${options.method} ${quoted(location.origin + url)}`, ...named];
  if (options.body !== undefined) parts.push(`-d ${quoted(options.body)}`);
  return parts.join(" \\\n  ");
};

const pretty = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

const block = (title, text) => {
  const shown = make("pre", text);
  shown.tabIndex = 0;
  shown.setAttribute("role", "region");
  shown.setAttribute("aria-label", title);
  return [make("h4", title), shown];
};

const execute = async (form) => {
  const place = form.querySelector(".answer");
  const request = requestOf(form);
  place.replaceChildren(make("p", "Asked …"));
  const began = performance.now();
  try {
    const answer = await fetch(request.url, request.options);
    const text = await answer.text();
    const took = Math.round(performance.now() - began);
    const fields = Array.from(answer.headers, ([name, value]) => `${name}: ${value}`).join("\n");
    const status = make("p", `${answer.status} ${answer.statusText}, ${took} ms`);
    status.className = answer.ok ? "status" : "status refused";
    place.replaceChildren(status, ...block("Body of the answer", pretty(text)), ...block("Header fields", fields));
  } catch (error) {
    place.replaceChildren(make("p", `Nobody answered: ${error.message}`));
  }
  place.append(...block("The same with curl", asCurl(request)));
};

for (const form of document.querySelectorAll("form.try")) {
  form.querySelector("button").hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    execute(form);
  });
}

// A link to an operation opens it.
const reveal = () => {
  const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = place && place.closest("details");
  if (details) details.open = true;
};

addEventListener("hashchange", reveal);
reveal();
