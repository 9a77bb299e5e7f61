// A certified OpenID provider for tests. Any name can sign in. The part after the last "-" of a name is its group.
const { createRequire } = require("node:module");
const [folder, port, redirect] = process.argv.slice(2);

const start = async () => {
  const { Provider } = await createRequire(`${folder}/`)("oidc-provider");
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: "voxwarden", client_secret: "of-the-tests", redirect_uris: [redirect] }],
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, groups: [id.split("-").pop()] }),
    }),
  });
  provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
};

start();
