// Shows the document of this service with Swagger UI. With keys, asks for one first: the document needs it, too.
const form = document.getElementById("ask");
const field = document.getElementById("key");

async function load(key) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const answer = await fetch("docs.json", { headers });
  const content = await answer.json();
  if (!answer.ok) {
    document.getElementById("said").textContent = content.detail;
    return;
  }
  form.hidden = true;
  field.value = "";
  const shown = window.SwaggerUIBundle({
    spec: content,
    dom_id: "#document",
    deepLinking: true,
    validatorUrl: null, // else it asks a service of Swagger's whether the document is valid
    displayRequestDuration: true,
    onComplete: () => key && shown.preauthorizeApiKey("bearer", key),
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  load(field.value.trim());
});
if (document.body.dataset.keys === "yes") {
  form.hidden = false;
  field.focus();
} else {
  load("");
}
