// The reader's choice, kept by the snippet in this browser.
const box = document.getElementById("count");
box.checked = Ratchet.counting();
box.addEventListener("change", () => Ratchet.optOut(!box.checked));
