"""Names of npm packages that are one slip of the finger away from a well-known one.

The list holds what nearly every project could come to need, and what false names were published for.
"""

from typing import Final

from pev.gate.lookalikes import near

_NAMES: Final = """
abort-controller acorn ajv ansi-regex ansi-styles apollo-client archiver async aws-sdk axios babel-core
babel-jest babel-loader bcrypt bcryptjs bluebird body-parser bootstrap browserify browserslist busboy
chai chalk chart.js cheerio chokidar classnames cli-progress colors commander compression concurrently
config-chain connect cookie cookie-parser cookies core-js cors cross-env cross-spawn crypto-js css-loader
csv-parse date-fns dayjs debug decimal.js deepmerge discord.js dotenv dotenv-expand ejs electron
electron-builder emotion enquirer esbuild eslint eslint-config-prettier eslint-plugin-import
eslint-plugin-react event-stream execa express express-rate-limit express-session fast-glob fastify
figlet firebase form-data formik fs-extra glob globby got graphql graphql-tag gulp handlebars helmet
highlight.js html-webpack-plugin http-proxy http-proxy-middleware husky i18next immer immutable inquirer
ioredis isomorphic-fetch jest jest-environment-jsdom jquery js-yaml jsdom json5 jsonwebtoken jszip karma
knex koa kleur level lint-staged lodash lodash.debounce lodash.merge lru-cache luxon mariadb marked meow
micromatch mime mime-types minimatch minimist mkdirp mocha moment moment-timezone mongodb mongoose morgan
ms multer mysql mysql2 nanoid nest next next-auth nock node-fetch node-forge node-gyp node-sass
nodemailer nodemon npm-run-all nunjucks opencollective openai ora passport passport-jwt passport-local
path-to-regexp pdfkit pino pinst playwright pm2 postcss postcss-loader preact prettier prisma prompts
prop-types proxy-agent puppeteer qs ramda raw-body react react-dom react-hook-form react-native
react-redux react-router react-router-dom react-scripts react-select recharts redis redux redux-saga
redux-thunk reflect-metadata request rimraf rollup rxjs sass sass-loader semver sequelize serve sharp
shelljs sinon socket.io socket.io-client source-map-support sqlite3 stripe style-loader styled-components
supertest svelte swagger-ui-express tailwindcss tape telegraf three through2 tmp ts-jest ts-loader
ts-node tslib tsx turbo twilio typeorm typescript ua-parser-js uglify-js underscore undici uuid validator
vite vitest vue vue-router vuex web-vitals web3 webpack webpack-cli webpack-dev-server winston ws xml2js
yaml yargs yargs-parser yup zod zone.js zustand
"""
_SCOPES: Final = """
@angular @apollo @aws-sdk @azure @babel @biomejs @chakra-ui @emotion @eslint @esbuild @fastify
@google-cloud @graphql-tools @hapi @headlessui @jest @mui @nestjs @next @octokit @opentelemetry
@playwright @prisma @radix-ui @react-native @reduxjs @rollup @sentry @storybook @supabase @svelte @swc
@tanstack @testing-library @trpc @types @typescript-eslint @vercel @vitejs @vitest @vue @webassemblyjs
"""
_KNOWN: Final = frozenset(_NAMES.split())
_KNOWN_SCOPES: Final = frozenset(_SCOPES.split())
_LEAST: Final = 4


def twin_of(name: str) -> str | None:
    """Give the well-known package, or scope, whose name is nearly this one; the known ones have no twin."""
    own, known = (name.partition("/")[0], _KNOWN_SCOPES) if name.startswith("@") else (name, _KNOWN)
    if own in known:
        return None
    return next(
        (
            one
            for one in sorted(known)
            if len(one) > _LEAST and near(own, one, "js", "-js", "node", "node-", "-node", "s")
        ),
        None,
    )
