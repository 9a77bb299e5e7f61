// Refuses a file that is larger than the server takes, before anything is sent.
document.addEventListener("change", (event) => {
  const input = event.target;
  if (!input.matches?.("input[type=file][data-most]")) return;
  const large = input.files[0]?.size > Number(input.dataset.most);
  input.setCustomValidity(large ? input.dataset.large : "");
  input.reportValidity();
});
