"use strict";

// Shows openapi.json. Text from the description is only ever set as text, never as markup.

const methods = ["get", "post", "put", "patch", "delete"];

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

function table(heads, rows) {
  return element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", {}, head)))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))))));
}

// typeOf says a schema in a few words, with links to the schemas it refers to.
function typeOf(schema) {
  const words = element("span", { class: "type" });
  if (!schema) {
    return words;
  }
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    words.append(element("a", { href: "#schema-" + name }, name));
    return words;
  }
  if (schema.anyOf) {
    schema.anyOf.forEach((one, i) => words.append(i > 0 ? " or " : "", typeOf(one)));
    return words;
  }
  const type = [].concat(schema.type || "anything").join(" or ");
  if (type === "array") {
    words.append("list of ", typeOf(schema.items));
  } else if (type === "object" && schema.additionalProperties && !schema.properties) {
    words.append("object of ", typeOf(schema.additionalProperties));
  } else {
    words.append(type);
  }
  const limits = [];
  if (schema.format) limits.push(schema.format);
  if (schema.enum && type !== "null") limits.push("one of " + schema.enum.join(", "));
  if (schema.default !== undefined) limits.push("default " + JSON.stringify(schema.default));
  if (schema.minimum !== undefined) limits.push("at least " + schema.minimum);
  if (schema.maximum !== undefined) limits.push("at most " + schema.maximum);
  if (schema.minLength !== undefined) limits.push("at least " + schema.minLength + " characters");
  if (schema.maxLength !== undefined) limits.push("at most " + schema.maxLength + " characters");
  if (schema.pattern) limits.push("matches " + schema.pattern);
  if (limits.length > 0) {
    words.append(" (" + limits.join("; ") + ")");
  }
  return words;
}

// shapeOf shows an object's properties, or the type of anything else.
function shapeOf(schema) {
  if (!schema || !schema.properties) {
    return typeOf(schema);
  }
  const required = schema.required || [];
  return table(["Field", "Type", "", ""], Object.entries(schema.properties).map(([name, property]) => [
    element("code", {}, name), typeOf(property), required.includes(name) ? "required" : "", property.description || "",
  ]));
}

function parametersOf(operation) {
  const parameters = operation.parameters || [];
  if (parameters.length === 0) {
    return [];
  }
  return [element("h3", {}, "Parameters"), table(["Name", "In", "Type", "", ""], parameters.map((parameter) => [
    element("code", {}, parameter.name), parameter.in, typeOf(parameter.schema),
    parameter.required ? "required" : "", parameter.description || "",
  ]))];
}

function bodyOf(operation) {
  const parts = [];
  for (const [media, content] of Object.entries((operation.requestBody || {}).content || {})) {
    parts.push(element("h3", {}, "Body, ", element("code", {}, media)), shapeOf(content.schema));
  }
  return parts;
}

function answersOf(operation) {
  return [element("h3", {}, "Answers"), table(["Status", "Body", "Headers", ""], Object.entries(operation.responses || {}).map(
    ([status, answer]) => [
      element("code", {}, status),
      element("span", {}, ...Object.values(answer.content || {}).map((content) => typeOf(content.schema))),
      element("code", {}, Object.keys(answer.headers || {}).join(" ")),
      answer.description || "",
    ]))];
}

function operationOf(path, method, operation) {
  const name = method.toUpperCase();
  const summary = operation.summary === operation.operationId ? "" : "  " + operation.summary;
  return element("details", { id: operation.operationId },
    element("summary", {}, element("span", { class: "method " + name }, name), element("span", { class: "path" }, path),
      element("span", { class: "note" }, "  " + operation.operationId + summary)),
    element("div", {}, element("p", {}, operation.description || ""),
      ...parametersOf(operation), ...bodyOf(operation), ...answersOf(operation)));
}

function show(api) {
  document.title = api.info.title;
  document.getElementById("title").textContent = api.info.title;
  document.getElementById("about").textContent = api.info.description || "";
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths || {})) {
    for (const method of methods.filter((method) => item[method])) {
      const group = (item[method].tags || ["operations"])[0];
      groups.set(group, (groups.get(group) || []).concat(operationOf(path, method, item[method])));
    }
  }
  const main = document.getElementById("main");
  main.replaceChildren();
  for (const [group, operations] of groups) {
    main.append(element("section", {}, element("h2", {}, group), ...operations));
  }
  const schemas = Object.entries((api.components || {}).schemas || {});
  if (schemas.length > 0) {
    main.append(element("section", {}, element("h2", {}, "Schemas"), ...schemas.map(([name, schema]) =>
      element("details", { id: "schema-" + name }, element("summary", {}, element("code", {}, name)),
        element("div", {}, element("p", {}, schema.description || ""), shapeOf(schema))))));
  }
  reveal();
}

// reveal opens what the address points to.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}

window.addEventListener("hashchange", reveal);

fetch("openapi.json")
  .then((answer) => {
    if (!answer.ok) {
      throw new Error("openapi.json answered " + answer.status);
    }
    return answer.json();
  })
  .then(show)
  .catch((error) => {
    document.getElementById("main").replaceChildren(element("p", {}, "The description cannot be shown: " + error.message));
  });
