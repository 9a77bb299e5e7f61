// Hashes a file that proves something. The file stays on the person's computer: only its name and hash are sent.
import { all, find } from "./dom.js";

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const fill = async (picker) => {
  const [file] = picker.files;
  if (!file) return;
  find("[data-proof=hash]", picker.form).value = hex(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  find("[data-proof=name]", picker.form).value = file.name;
};

export const start = () => {
  for (const picker of all("[data-proof=file]")) {
    // Browsers hash only on pages that came over https or from this machine. Without it, people paste the hash.
    if (!crypto.subtle) picker.closest("label").hidden = true;
    picker.addEventListener("change", () => fill(picker));
  }
};
