"""The operations of TensorFlow that the profile `portable` lets through.

A test compares SHOWN with what samebits.proof.portable.keras_operations runs; `make portable-proof` compares
what that gives on CPUs of both makers.
"""

_EXACT = """
    Abs Add AddV2 Arg ArgMax ArgMin Assert AssignAddVariableOp AssignSubVariableOp AssignVariableOp
    BatchDatasetV2 BatchToSpaceND Bitcast BroadcastTo Case Cast Ceil CheckNumerics ConcatV2 Const
    DecodeRaw DepthToSpace DynamicPartition DynamicStitch EagerPyFunc Empty EmptyTensorList EnsureShape
    Equal ExpandDims Fill Floor GatherNd GatherV2 GeneratorDataset Greater GreaterEqual Identity
    IdentityN If InvertPermutation IsFinite IsInf IsNan IteratorGetNext IteratorGetNextSync Less
    LessEqual MapDataset MatrixBandPart MatrixDiagPartV3 MatrixDiagV3 Max Maximum Min Minimum MirrorPad
    Mul Neg NotEqual OneHot OnesLike OptionalFromValue OptionalGetValue Pack Pad PadV2
    ParallelMapDatasetV2 ParseExampleV2 ParseTensor PartitionedCall Placeholder PlaceholderWithDefault
    Print PrintV2 PyFunc PyFuncStateless Range Rank ReadVariableOp RealDiv Relu Relu6 Reshape
    ResourceGather ResourceScatterUpdate RestoreV2 Retval ReverseV2 Rint Roll Round SaveV2
    ScatterNdUpdate Select SelectV2 SerializeTensor Shape ShapeN Sign Size Slice Snapshot SpaceToBatchND
    SpaceToDepth Split SplitV Sqrt Square Squeeze StatefulPartitionedCall StatelessCase StatelessIf
    StatelessWhile StopGradient StridedSlice Sub SymbolicGradient TensorDataset TensorListConcatV2
    TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
    TensorListPopBack TensorListPushBack TensorListReserve TensorListSetItem TensorListStack
    TensorScatterUpdate TensorSliceDataset Tile TopKV2 Transpose Unpack VarHandleOp While
    WriteHistogramSummary WriteImageSummary WriteScalarSummary WriteSummary ZerosLike _Arg _If _Retval
    _While
"""
_SHOWN = """
    Acos.float64 Acosh.float64 AddN AddN.float64 AdjustContrastv2 AdjustHue AdjustSaturation
    Asin.float64 Asinh.float64 Atan.float64 Atan2.float64 Atanh.float64 AvgPool AvgPool3D AvgPool3DGrad
    AvgPoolGrad BatchMatMulV2 BesselI0e.float64 BesselI1e.float64 BiasAdd BiasAddGrad Complex
    Complex.complex64 ComplexAbs ComplexAbs.complex64 Conv2D Conv2DBackpropFilter Conv2DBackpropInput
    Conv3D Conv3DBackpropFilterV2 Conv3DBackpropInputV2 Cos Cos.float64 Cosh.float64 Cumprod Cumsum
    CumulativeLogsumexp.float64 DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter
    DepthwiseConv2dNativeBackpropInput Digamma Digamma.float64 DivNoNan DivNoNan.complex64
    DivNoNan.float64 Einsum Elu Elu.float64 EluGrad EluGrad.float64 Erf Erf.float64 Erfc.float64
    Erfinv.float64 EuclideanNorm Exp Exp.float64 Expm1 Expm1.float64 FFT2D.complex64 FloorDiv FloorMod
    IRFFT IRFFT.complex64 Igamma.float64 IgammaGradA.float64 ImageProjectiveTransformV3 InTopKV2 L2Loss
    LeakyRelu LeakyRelu.float64 LeakyReluGrad LeakyReluGrad.float64 Lgamma.float64 Log Log.float64
    Log1p.float64 LogSoftmax LowerBound MatMul MaxPool MaxPool3D MaxPool3DGrad MaxPoolGrad Mean
    MirrorPadGrad MulNoNan NextAfter Polygamma Polygamma.float64 Pow Prod RFFT RFFT.complex64 Real
    Real.complex64 Relu6Grad Relu6Grad.float64 ReluGrad ReluGrad.float64 ResizeBilinear
    ResizeBilinearGrad ResizeNearestNeighbor ResizeNearestNeighborGrad ScatterNd SegmentMax SegmentMean
    SegmentMin SegmentProd SegmentSum Selu Selu.float64 SeluGrad SeluGrad.float64 Sigmoid
    Sigmoid.float64 SigmoidGrad SigmoidGrad.float64 Sin Sin.float64 Sinh.float64 Softplus.float64
    Softsign Softsign.float64 SoftsignGrad SoftsignGrad.float64 SqrtGrad SqrtGrad.float64
    SquaredDifference StatelessMultinomial StatelessRandomNormalV2 StatelessRandomUniformV2
    StatelessTruncatedNormalV2 StridedSliceGrad Sum Sum.float64 Tan.float64 Tanh Tanh.float64 TanhGrad
    TanhGrad.float64 TensorScatterAdd UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
    UnsortedSegmentSum Xdivy Xdivy.float64 Xlog1py.float64 Xlogy Xlogy.float64 Zeta
"""

# Whatever the type of numbers: they move numbers, compare them, keep them, or round once, as IEEE 754 says.
EXACT = frozenset(_EXACT.split())
# Of float32 where no type is named.
SHOWN = frozenset(_SHOWN.split())
