/**
 * What a Dockerfile is once it has been read.
 *
 * `parseDockerfile(file)` gives a `Dockerfile`: its directives and its instructions in order, each a member of the
 * `Instruction` union with the range of the text it came from. Nothing is expanded yet: a `Word` is the text as written,
 * quotes and `$` included, and `parser/shell-words.ts` expands it once the frontend knows the variables.
 *
 *     RUN --mount=type=cache,target=/c make   →   { kind: 'run', mounts: [...], command: { kind: 'shell', ... } }
 */
import type { SourceFile, SourceRange } from '../core/source.ts';

export interface Dockerfile {
  readonly file: SourceFile;
  readonly directives: Directives;
  readonly instructions: readonly Instruction[];
  /** Things that are legal but doubtful, such as a blank line inside a continuation. */
  readonly warnings: readonly ParseWarning[];
}

export interface Directives {
  /** `# syntax=` as written. */
  readonly syntax?: Located<string>;
  readonly escape: '\\' | '`';
  /** `# check=` as written. */
  readonly check?: Located<string>;
}

export interface ParseWarning {
  readonly rule: 'NoEmptyContinuation';
  readonly message: string;
  readonly range: SourceRange;
}

export interface Located<T> {
  readonly value: T;
  readonly range: SourceRange;
}

/** Text as written, to be expanded later. */
export interface Word {
  readonly text: string;
  readonly range: SourceRange;
}

/** `<<NAME … NAME`. */
export interface Heredoc {
  readonly name: string;
  /** The body with its line ends; for `<<-`, leading tabs are gone. */
  readonly content: string;
  /** Whether the builder expands variables in it: false for a quoted name. */
  readonly expand: boolean;
  /** `<<-`. */
  readonly stripTabs: boolean;
  /** The file descriptor before `<<`, `''` if none. */
  readonly fileDescriptor: string;
  readonly range: SourceRange;
}

/** The command of RUN, CMD and ENTRYPOINT. */
export type Command =
  | { readonly kind: 'exec'; readonly args: readonly string[] }
  | {
      readonly kind: 'shell';
      /** The logical line after continuations are joined. */
      readonly text: string;
      /** In the order of the text; only RUN has any. */
      readonly heredocs: readonly Heredoc[];
    };

interface Common {
  /** From the keyword to the end, heredoc bodies included. */
  readonly range: SourceRange;
  /** The keyword as written. */
  readonly keyword: string;
  /** The logical line as written, continuations joined; what ONBUILD stores and messages show. */
  readonly source: string;
  /** The comment lines above without `#`, joined by line feeds; `name text` documents what is called `name`. */
  readonly docComment?: string;
}

export interface KeyValue {
  readonly key: Word;
  readonly value: Word;
}

export interface FromInstruction extends Common {
  readonly kind: 'from';
  readonly platform?: Word;
  readonly image: Word;
  /** As written; names compare without case. */
  readonly stageName?: Located<string>;
  /** The `AS` as written, for lint. */
  readonly asKeyword?: string;
}

export interface ArgInstruction extends Common {
  readonly kind: 'arg';
  readonly args: readonly { readonly name: Word; readonly defaultValue?: Word }[];
}

export interface EnvInstruction extends Common {
  readonly kind: 'env';
  readonly pairs: readonly KeyValue[];
  /** `ENV key value`. */
  readonly legacy: boolean;
}

export interface LabelInstruction extends Common {
  readonly kind: 'label';
  readonly pairs: readonly KeyValue[];
  readonly legacy: boolean;
}

/** `RUN --mount`: the options as written; the frontend expands and checks the values that may hold variables. */
export interface MountOption {
  /** In lower case. */
  readonly key: string;
  /** A bare key has none. */
  readonly value?: string;
  /** Of both; of the whole flag where quotes or several lines hide the place. */
  readonly range: SourceRange;
}

export interface MountFlag {
  readonly range: SourceRange;
  /** In order. */
  readonly options: readonly MountOption[];
}

export interface RunInstruction extends Common {
  readonly kind: 'run';
  readonly command: Command;
  readonly mounts: readonly MountFlag[];
  readonly network?: Located<'default' | 'none' | 'host'>;
  readonly security?: Located<'sandbox' | 'insecure'>;
  readonly devices: readonly Word[];
}

/** A source of COPY or ADD: a word to expand, or a heredoc. */
export type CopySource =
  { readonly kind: 'path'; readonly word: Word } | { readonly kind: 'heredoc'; readonly heredoc: Heredoc };

interface CopyCommon extends Common {
  readonly sources: readonly CopySource[];
  readonly destination: Word;
  readonly chown?: Word;
  readonly chmod?: Word;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly Word[];
}

export interface CopyInstruction extends CopyCommon {
  readonly kind: 'copy';
  readonly from?: Located<string>;
}

export interface AddInstruction extends CopyCommon {
  readonly kind: 'add';
  readonly checksum?: Word;
  readonly keepGitDir?: boolean;
  /** Absent: unpack local archives, keep downloads. */
  readonly unpack?: boolean;
}

export interface WorkdirInstruction extends Common {
  readonly kind: 'workdir';
  readonly path: Word;
}

export interface UserInstruction extends Common {
  readonly kind: 'user';
  readonly user: Word;
}

export interface CmdInstruction extends Common {
  readonly kind: 'cmd';
  readonly command: Command;
}

export interface EntrypointInstruction extends Common {
  readonly kind: 'entrypoint';
  readonly command: Command;
}

export interface ShellInstruction extends Common {
  readonly kind: 'shell';
  readonly args: readonly string[];
}

export interface ExposeInstruction extends Common {
  readonly kind: 'expose';
  readonly ports: readonly Word[];
}

export interface VolumeInstruction extends Common {
  readonly kind: 'volume';
  readonly paths: readonly Word[];
}

export interface StopsignalInstruction extends Common {
  readonly kind: 'stopsignal';
  readonly signal: Word;
}

export interface HealthcheckInstruction extends Common {
  readonly kind: 'healthcheck';
  readonly check:
    | { readonly kind: 'none' }
    | {
        readonly kind: 'cmd';
        readonly command: Command;
        /** In nanoseconds; absent means inherited or default. */
        readonly intervalNs?: number;
        readonly timeoutNs?: number;
        readonly startPeriodNs?: number;
        readonly startIntervalNs?: number;
        readonly retries?: number;
      };
}

export interface OnbuildInstruction extends Common {
  readonly kind: 'onbuild';
  /** The trigger as it is stored in the image, heredoc bodies included. */
  readonly trigger: string;
}

export interface MaintainerInstruction extends Common {
  readonly kind: 'maintainer';
  readonly name: string;
}

export type Instruction =
  | FromInstruction
  | ArgInstruction
  | EnvInstruction
  | LabelInstruction
  | RunInstruction
  | CopyInstruction
  | AddInstruction
  | WorkdirInstruction
  | UserInstruction
  | CmdInstruction
  | EntrypointInstruction
  | ShellInstruction
  | ExposeInstruction
  | VolumeInstruction
  | StopsignalInstruction
  | HealthcheckInstruction
  | OnbuildInstruction
  | MaintainerInstruction;

export type InstructionKind = Instruction['kind'];
