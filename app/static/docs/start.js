// Shows the OpenAPI document. Authorize logs in with name and password, or takes a token or an API key.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
});
