"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

const element = (name, text, ...children) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
};

const follow = (api, schema) =>
  schema && schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema;

const code = (value) => element("pre", JSON.stringify(value, null, 2));

const call = (api, path, method, operation) => {
  const title = element("summary", "");
  const label = element("span", method.toUpperCase());
  label.className = "method";
  title.append(label, element("code", path), ` ${operation.summary || ""}`);
  const details = element("details", "", title);
  if (operation.description) details.append(element("p", operation.description));
  for (const one of operation.parameters || []) {
    const needed = one.required ? ", required" : "";
    details.append(element("p", `${one.name} (${one.in}${needed}): ${one.description || ""}`));
  }
  const body = operation.requestBody && operation.requestBody.content["application/json"];
  if (body) details.append(element("h4", "Body"), code(follow(api, body.schema)));
  for (const [status, answer] of Object.entries(operation.responses)) {
    const media = answer.content && Object.values(answer.content)[0];
    details.append(element("h4", `${status} ${answer.description || ""}`));
    if (media && status !== "default") details.append(code(follow(api, media.schema)));
  }
  return details;
};

const show = (api) => {
  const tags = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = (item[method].tags || ["other"])[0];
      if (!tags.has(tag)) tags.set(tag, element("section", "", element("h2", tag)));
      tags.get(tag).append(call(api, path, method, item[method]));
    }
  }
  document.getElementById("calls").replaceChildren(...tags.values());
};

fetch("/v1/openapi.json")
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => { document.getElementById("calls").textContent = String(error); });
