// Names of packages are looked up as if they stood in this package, which finds itself by its own name. Packages find
// those that they use where they are.

const HERE = new URL('../../package.json', import.meta.url).href;

export function resolve(specifier, context, next) {
  const isPackage = /^[a-z@]/.test(specifier) && !specifier.includes(':') && !context.parentURL?.includes('/node_modules/');
  return next(specifier, isPackage ? { ...context, parentURL: HERE } : context);
}
