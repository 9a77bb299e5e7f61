// Tells the server the browser's time zone, so that it renders local times.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes(`voxwarden_zone=${zone}`)) {
  document.cookie = `voxwarden_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}
