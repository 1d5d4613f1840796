// An identity provider with the accounts that it is told on standard input, for one client.
// {"port", "client", "secret", "home": the hub, "accounts": {login: {claims}}}
// The login and consent pages are oidc-provider's own for development: any password will do.
import { readFileSync } from "node:fs";
import Provider from "oidc-provider";

const told = JSON.parse(readFileSync(0, "utf8"));
const issuer = `http://127.0.0.1:${told.port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: told.client,
    client_secret: told.secret,
    redirect_uris: [`${told.home}/hub/oauth_callback`],
    post_logout_redirect_uris: [`${told.home}/hub/login`],
    token_endpoint_auth_method: "client_secret_post",
  }],
  claims: {
    openid: ["sub"],
    email: ["email", "email_verified"],
    profile: ["name", "preferred_username"],
  },
  pkce: { required: () => true },
  cookies: { keys: ["of these tests alone"] },
  features: { rpInitiatedLogout: { enabled: true } },
  // An account is what somebody typed as their login; unknown ones do not exist.
  findAccount: (_ctx, login) => told.accounts[login] && {
    accountId: login,
    claims: () => ({ sub: login, ...told.accounts[login] }),
  },
  // As where an organisation consents for all its people.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile");
    await grant.save();
    return grant;
  },
});

provider.listen(told.port, "127.0.0.1", () => console.log(`listening at ${issuer}`));
