/** The version that the bundle was made from. */

/** Replaced with a string when bundling; `node --import tsx` runs the sources without it. */
declare const TSBUILD_VERSION: string | undefined;

/** The version of the Dockerfile language that is built in, as in `# syntax=docker/dockerfile:1.20`. */
export const LANGUAGE_VERSION = '1.20';

export const version: string = typeof TSBUILD_VERSION === 'string' ? TSBUILD_VERSION : '0.0.0-source';
